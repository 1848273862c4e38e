package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
)

// newLine copies a line that the scanner will overwrite.
func newLine(line []byte) io.Reader { return bytes.NewReader(bytes.Clone(line)) }

// world is everything that the commands of one process have made.
type world struct {
	out *output

	mu       sync.Mutex
	hosts    map[int]*node
	sessions map[int]*session
	next     int
}

func newWorld(out *output) *world {
	return &world{out: out, hosts: map[int]*node{}, sessions: map[int]*session{}}
}

func (w *world) number() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next++
	return w.next
}

func (w *world) host(n int) (*node, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.hosts[n]; h != nil {
		return h, nil
	}
	return nil, fmt.Errorf("no host %d", n)
}

func (w *world) session(n int) (*session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.sessions[n]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("no stream %d", n)
}

func (w *world) close() {
	w.mu.Lock()
	hosts := w.hosts
	w.hosts = map[int]*node{}
	w.mu.Unlock()
	for _, h := range hosts {
		h.close()
	}
}

// do carries a command out. The commands are described beside the methods that they call.
func (w *world) do(ctx context.Context, r *request) (fields, error) {
	switch r.Do {
	case "host":
		return w.newHost(ctx, r)
	case "provide", "find", "handle", "open", "closeHost", "flood", "cling":
		h, err := w.host(r.Host)
		if err != nil {
			return nil, err
		}
		return w.hostCommand(ctx, h, r)
	default:
		s, err := w.session(r.Stream)
		if err != nil {
			return nil, err
		}
		return sessionCommand(ctx, s, r)
	}
}

func (w *world) hostCommand(ctx context.Context, h *node, r *request) (fields, error) {
	switch r.Do {
	case "provide":
		return nil, h.provide(ctx, r.Namespace)
	case "find":
		return h.find(ctx, r.Namespace, r.Limit)
	case "handle":
		return nil, h.handle(r.Protocol, r.Script)
	case "open":
		s, err := h.open(ctx, r.Peer, r.Addresses, r.Protocol, r.Script)
		if err != nil {
			return nil, err
		}
		return fields{"stream": s.number, "muxer": s.muxer()}, nil
	case "flood":
		return h.flood(ctx, r)
	case "cling":
		return h.cling(ctx, r)
	default: // closeHost
		w.mu.Lock()
		known := w.hosts[r.Host] == h
		delete(w.hosts, r.Host)
		w.mu.Unlock()
		if known {
			h.close()
		}
		return nil, nil
	}
}

func sessionCommand(ctx context.Context, s *session, r *request) (fields, error) {
	switch r.Do {
	case "send":
		return nil, s.send(filler(r.Size))
	case "frame":
		// Its prefix says `claim` bytes if that is given.
		return nil, s.send(claiming(filler(r.Size), r.Claim))
	case "ask":
		return s.askFor(ctx, r.What, r.From, r.Count)
	case "pull":
		return s.pull(ctx, r.From, r.Count)
	case "pace":
		return s.pace(ctx, r.Count)
	case "ended":
		// Waits for the end of what the other side sends and says how it came.
		select {
		case <-s.over:
			return fields{"how": s.how}, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("stream %d still stands", s.number)
		}
	case "stats":
		return s.stats(), nil
	default:
		return nil, fmt.Errorf("no command %q", r.Do)
	}
}
