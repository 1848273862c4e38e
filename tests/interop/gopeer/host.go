package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	mplex "github.com/libp2p/go-libp2p-mplex"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/discovery"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/discovery/routing"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
)

// node is one host with its DHT, set up the way a Go node of the network sets them up.
type node struct {
	world  *world
	number int
	host   host.Host
	dht    *dht.IpfsDHT
	disc   *routing.RoutingDiscovery
	closed chan struct{}
}

func newKey(kind string) (crypto.PrivKey, error) {
	switch kind {
	case "", "ed25519":
		key, _, err := crypto.GenerateEd25519Key(rand.Reader)
		return key, err
	case "rsa": // what a Go node generates
		key, _, err := crypto.GenerateKeyPairWithReader(crypto.RSA, 2048, rand.Reader)
		return key, err
	default:
		return nil, fmt.Errorf("no key type %q", kind)
	}
}

// muxerOptions keeps the order given: it is the order of preference.
func muxerOptions(names []string) ([]libp2p.Option, error) {
	if len(names) == 0 {
		names = []string{"mplex", "yamux"} // the Go node's default
	}
	var options []libp2p.Option
	for _, name := range names {
		switch name {
		case "mplex":
			options = append(options, libp2p.Muxer("/mplex/6.7.0", mplex.DefaultTransport),
				libp2p.Muxer("/mplex/0.7.0", mplex.DefaultTransport))
		case "yamux":
			options = append(options, libp2p.Muxer(yamux.ID, yamux.DefaultTransport))
		default:
			return nil, fmt.Errorf("no muxer %q", name)
		}
	}
	return options, nil
}

func addrInfos(texts []string) ([]peer.AddrInfo, error) {
	var all []multiaddr.Multiaddr
	for _, text := range texts {
		a, err := multiaddr.NewMultiaddr(text)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return peer.AddrInfosFromP2pAddrs(all...)
}

// newHost starts a host on a free port of the loopback interface. Unless `client` is set it serves the DHT; it
// connects to every peer of `boot` first.
func (w *world) newHost(ctx context.Context, r *request) (fields, error) {
	key, err := newKey(r.Key)
	if err != nil {
		return nil, err
	}
	boot, err := addrInfos(r.Boot)
	if err != nil {
		return nil, err
	}
	options, err := muxerOptions(r.Muxers)
	if err != nil {
		return nil, err
	}
	reachability := libp2p.ForceReachabilityPublic()
	if r.Client {
		reachability = libp2p.ForceReachabilityPrivate()
	}
	h, err := libp2p.New(append(options,
		libp2p.Identity(key),
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.DisableRelay(),
		libp2p.EnableNATService(),
		libp2p.UserAgent("gopeer"),
		reachability,
	)...)
	if err != nil {
		return nil, err
	}
	// Lives as long as the process; the host's end stops it.
	table, err := dht.New(context.Background(), h, dht.BootstrapPeers(boot...))
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	n := &node{
		world:  w,
		number: w.number(),
		host:   h,
		dht:    table,
		disc:   routing.NewRoutingDiscovery(table),
		closed: make(chan struct{}),
	}
	for _, b := range boot {
		if err := h.Connect(ctx, b); err != nil {
			n.close()
			return nil, err
		}
	}
	if err := table.Bootstrap(ctx); err != nil {
		n.close()
		return nil, err
	}
	w.mu.Lock()
	w.hosts[n.number] = n
	w.mu.Unlock()
	var addresses []string
	for _, a := range h.Addrs() {
		addresses = append(addresses, fmt.Sprintf("%s/p2p/%s", a, h.ID()))
	}
	return fields{"host": n.number, "peerId": h.ID().String(), "addresses": addresses}, nil
}

// close is called once.
func (n *node) close() {
	close(n.closed)
	n.dht.Close()
	n.host.Close()
}

// tableFilled waits until there is somebody to ask.
func (n *node) tableFilled(ctx context.Context) error {
	for n.dht.RoutingTable().Size() == 0 {
		select {
		case <-ctx.Done():
			return errors.New("the routing table stays empty")
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// provide announces a namespace once.
func (n *node) provide(ctx context.Context, namespace string) error {
	if err := n.tableFilled(ctx); err != nil {
		return err
	}
	_, err := n.disc.Advertise(ctx, namespace)
	return err
}

// find asks the DHT for the providers of a namespace.
func (n *node) find(ctx context.Context, namespace string, limit int) (fields, error) {
	if err := n.tableFilled(ctx); err != nil {
		return nil, err
	}
	found, err := n.disc.FindPeers(ctx, namespace, discovery.Limit(limit))
	if err != nil {
		return nil, err
	}
	peers := []fields{}
	for info := range found {
		if info.ID == n.host.ID() {
			continue
		}
		addresses := []string{}
		for _, a := range info.Addrs {
			addresses = append(addresses, a.String())
		}
		peers = append(peers, fields{"peerId": info.ID.String(), "addresses": addresses})
	}
	return fields{"peers": peers}, nil
}

// handle accepts streams of a protocol and answers on them as the script says.
func (n *node) handle(id string, s script) error {
	if err := s.load(); err != nil {
		return err
	}
	n.host.SetStreamHandler(protocol.ID(id), func(stream network.Stream) {
		session := n.world.adopt(stream, s)
		n.world.out.event("stream", fields{
			"host":   n.number,
			"stream": session.number,
			"peer":   stream.Conn().RemotePeer().String(),
			"muxer":  session.muxer(),
		})
	})
	return nil
}

// open dials if necessary and opens a stream.
func (n *node) open(ctx context.Context, id string, addresses []string, proto string, s script) (*session, error) {
	if err := s.load(); err != nil {
		return nil, err
	}
	to, err := peer.Decode(id)
	if err != nil {
		return nil, err
	}
	for _, text := range addresses {
		a, err := multiaddr.NewMultiaddr(strings.TrimSuffix(text, "/p2p/"+id))
		if err != nil {
			return nil, err
		}
		n.host.Peerstore().AddAddr(to, a, peerstore.TempAddrTTL)
	}
	stream, err := n.host.NewStream(ctx, to, protocol.ID(proto))
	if err != nil {
		return nil, err
	}
	return n.world.adopt(stream, s), nil
}
