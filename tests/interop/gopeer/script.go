package main

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// script says how a session answers. The height is answered as it is, so that the session gets past the other side's
// first question; everything else is answered from the chain, or as `Then` says.
type script struct {
	// Chain is a file of recorded blocks, JSON lines, gzipped.
	Chain  string `json:"chain"`
	Height uint64 `json:"height"`
	// Then: "" answers, "silent" does not, "mute" not even with its height, "resetMidFrame", "halfClose",
	// "dribble" sends the answer at Rate bytes a second, "claim" announces Claim bytes and sends Size,
	// "big" sends an answer whose frame body has exactly Size bytes.
	Then  string `json:"then"`
	Rate  int    `json:"rate"`
	Claim int    `json:"claim"`
	Size  int    `json:"size"`

	chain *chain
}

type block struct {
	hash, rlp, commitSig []byte
}

type chain struct {
	blocks []block
	byHash map[string]int
}

var (
	chainsMu sync.Mutex
	chains   = map[string]*chain{}
)

func (s *script) load() error {
	if s.Chain == "" {
		return nil
	}
	chainsMu.Lock()
	defer chainsMu.Unlock()
	known := chains[s.Chain]
	if known == nil {
		read, err := readChain(s.Chain)
		if err != nil {
			return err
		}
		known = read
		chains[s.Chain] = known
	}
	s.chain = known
	return nil
}

func readChain(path string) (*chain, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	c := &chain{byHash: map[string]int{}}
	dec := json.NewDecoder(plain)
	for {
		var line struct {
			Number                    int
			Hash, BlockRLP, CommitSig string
		}
		err := dec.Decode(&line)
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		if line.Number != len(c.blocks) {
			return nil, fmt.Errorf("block %d where %d was expected", line.Number, len(c.blocks))
		}
		var b block
		for text, to := range map[string]*[]byte{line.Hash: &b.hash, line.BlockRLP: &b.rlp, line.CommitSig: &b.commitSig} {
			if *to, err = hex.DecodeString(strings.TrimPrefix(text, "0x")); err != nil {
				return nil, err
			}
		}
		c.byHash[string(b.hash)] = line.Number
		c.blocks = append(c.blocks, b)
	}
}

func (s *script) block(number uint64) (block, bool) {
	if s.chain == nil || number > s.Height || number >= uint64(len(s.chain.blocks)) {
		return block{}, false
	}
	return s.chain.blocks[number], true
}

// answer is the honest answer to a request.
func (s *script) answer(m message) message {
	out := message{id: m.id, kind: m.kind}
	var first, second [][]byte
	switch m.kind {
	case numHeight:
		out.body = varintField(s.Height)
		return out
	case numHashes:
		asked, _ := numbers(m.body)
		for _, n := range asked {
			b, ok := s.block(n)
			if !ok {
				b.hash = make([]byte, 32)
			}
			first = append(first, b.hash)
		}
	case numByNumber:
		asked, _ := numbers(m.body)
		for _, n := range asked {
			if b, ok := s.block(n); ok {
				first, second = append(first, b.rlp), append(second, b.commitSig)
			}
		}
	case numByHashes:
		asked, _, _ := lists(m.body)
		for _, hash := range asked {
			b := block{rlp: []byte{0xc0}}
			if s.chain != nil {
				if n, ok := s.chain.byHash[string(hash)]; ok {
					if known, ok := s.block(uint64(n)); ok {
						b = known
					}
				}
			}
			first, second = append(first, b.rlp), append(second, b.commitSig)
		}
	default:
		text := []byte("unknown request")
		out.kind = numError
		out.body = protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), text)
		return out
	}
	out.body = packLists(first, second)
	return out
}

// big is an answer with two blocks of nonsense whose encoding has exactly `size` bytes.
func big(m message, size int) ([]byte, error) {
	sig := make([]byte, 97)
	half := size / 2
	rest := size - half
	for range 8 {
		out := message{id: m.id, kind: m.kind, body: packLists([][]byte{filler(half), filler(rest)}, [][]byte{sig, sig})}.encode()
		over := len(out) - size
		if over == 0 {
			return out, nil
		}
		rest -= over
	}
	return nil, fmt.Errorf("no answer of exactly %d bytes", size)
}

// serve answers one request.
func (s *session) serve(m message) error {
	if s.script.Then == "mute" {
		return nil
	}
	honest := s.script.answer(m).encode()
	if m.kind == numHeight {
		return s.send(claiming(honest, 0))
	}
	switch s.script.Then {
	case "silent":
		return nil
	case "resetMidFrame":
		frame := claiming(honest, 0)
		if err := s.send(frame[:len(frame)/2]); err != nil {
			return err
		}
		// Reset throws away what waits to be sent; the other side is to see the half frame first.
		time.Sleep(100 * time.Millisecond)
		return s.stream.Reset()
	case "halfClose":
		return s.stream.CloseWrite()
	case "dribble":
		return s.dribble(claiming(honest, 0), s.script.Rate)
	case "claim":
		return s.send(claiming(filler(s.script.Size), s.script.Claim))
	case "big":
		body, err := big(m, s.script.Size)
		if err != nil {
			return err
		}
		return s.send(claiming(body, 0))
	default:
		return s.send(claiming(honest, 0))
	}
}

// dribble sends in pieces, twenty a second.
func (s *session) dribble(b []byte, rate int) error {
	piece := max(1, rate/20)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for len(b) > 0 {
		n := min(piece, len(b))
		if err := s.send(b[:n]); err != nil {
			return err
		}
		b = b[n:]
		<-tick.C
	}
	return nil
}
