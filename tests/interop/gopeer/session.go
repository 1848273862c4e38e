package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"google.golang.org/protobuf/encoding/protowire"
)

// session is one stream: it serves what the other side asks and matches what it answers.
type session struct {
	number int
	stream network.Stream
	script script

	writing sync.Mutex

	// over is closed when nothing more can be read; how is set before.
	over chan struct{}
	how  string

	mu       sync.Mutex
	waiting  map[uint64]chan message
	nextID   uint64
	answers  int
	unasked  int
	busy     int
	failures int
}

// adopt makes a session of a stream and starts to read it.
func (w *world) adopt(stream network.Stream, sc script) *session {
	s := &session{
		number:  w.number(),
		stream:  stream,
		script:  sc,
		over:    make(chan struct{}),
		waiting: map[uint64]chan message{},
	}
	w.mu.Lock()
	w.sessions[s.number] = s
	w.mu.Unlock()
	go func() {
		s.how = ending(s.read())
		close(s.over)
	}()
	return s
}

// ending names the ways in which reading can end.
func ending(err error) string {
	switch {
	case errors.Is(err, network.ErrReset):
		return "reset"
	case errors.Is(err, io.EOF):
		return "eof"
	default:
		return err.Error()
	}
}

func (s *session) muxer() string { return string(s.stream.Conn().ConnState().StreamMultiplexer) }

func (s *session) send(b []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.stream.Write(b)
	return err
}

func (s *session) read() error {
	in := bufio.NewReader(s.stream)
	for {
		var prefix [4]byte
		if _, err := io.ReadFull(in, prefix[:]); err != nil {
			return err
		}
		size := binary.LittleEndian.Uint32(prefix[:])
		if size > maxFrameBody {
			return fmt.Errorf("a frame of %d bytes", size)
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(in, body); err != nil {
			return err
		}
		m, err := decode(body)
		if err != nil {
			return err
		}
		if m.isRequest {
			// The failure of an answer shows as the end of reading.
			go s.serve(m)
		} else {
			s.answered(m)
		}
	}
}

func (s *session) note(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *session) answered(m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers++
	if m.kind == numError {
		s.failures++
		if text, _, _ := lists(m.body); len(text) == 1 && string(text[0]) == "too busy" {
			s.busy++
		}
	}
	if to := s.waiting[m.id]; to != nil {
		delete(s.waiting, m.id)
		to <- m
	} else {
		s.unasked++
	}
}

func (s *session) stats() fields {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fields{"errors": s.failures, "busy": s.busy, "unasked": s.unasked}
}

// newRequest numbers a request. The ids are above 2^53, where a careless reader would round them.
func (s *session) newRequest(kind protowire.Number, body []byte) message {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	return message{isRequest: true, id: 0xf123456789abc000 + s.nextID, kind: kind, body: body}
}

// ask sends a request and waits for its answer.
func (s *session) ask(ctx context.Context, kind protowire.Number, body []byte) (message, error) {
	m := s.newRequest(kind, body)
	to := make(chan message, 1)
	s.note(func() { s.waiting[m.id] = to })
	if err := s.send(claiming(m.encode(), 0)); err != nil {
		return m, err
	}
	select {
	case a := <-to:
		if a.kind == numError {
			text, _, _ := lists(a.body)
			return a, fmt.Errorf("the peer answers: %s", text)
		}
		if a.kind != kind {
			return a, fmt.Errorf("asked for %d, answered with %d", kind, a.kind)
		}
		return a, nil
	case <-s.over:
		return m, fmt.Errorf("the stream ended: %s", s.how)
	case <-ctx.Done():
		return m, ctx.Err()
	}
}

// askFor asks one question and describes the answer: its size, and the sizes and hash of what it carries.
func (s *session) askFor(ctx context.Context, what string, from uint64, count int) (fields, error) {
	kind, body := protowire.Number(numHeight), []byte(nil)
	switch what {
	case "height":
	case "hashes":
		kind, body = numHashes, packNumbers(from, count)
	case "blocks":
		kind, body = numByNumber, packNumbers(from, count)
	default:
		return nil, fmt.Errorf("no question %q", what)
	}
	start := time.Now()
	a, err := s.ask(ctx, kind, body)
	if err != nil {
		return nil, err
	}
	out := fields{"bytes": len(a.encode()), "ms": time.Since(start).Milliseconds()}
	if kind == numHeight {
		out["height"], err = firstVarint(a.body)
		return out, err
	}
	items, _, err := lists(a.body)
	sizes, all := []int{}, sha256.New()
	for _, item := range items {
		sizes = append(sizes, len(item))
		all.Write(item)
	}
	out["sizes"], out["sha256"] = sizes, hex.EncodeToString(all.Sum(nil))
	return out, err
}

// pull downloads `count` blocks the way a Go node does, hashes by twenty and blocks by ten hashes, and compares every
// byte with the script's chain.
func (s *session) pull(ctx context.Context, from uint64, count int) (fields, error) {
	start := time.Now()
	for at := from; at < from+uint64(count); at += 20 {
		n := int(min(20, from+uint64(count)-at))
		a, err := s.ask(ctx, numHashes, packNumbers(at, n))
		if err != nil {
			return nil, err
		}
		hashes, _, err := lists(a.body)
		if err != nil || len(hashes) != n {
			return nil, fmt.Errorf("%d hashes instead of %d (%v)", len(hashes), n, err)
		}
		for i := 0; i < n; i += 10 {
			part := hashes[i:min(n, i+10)]
			a, err := s.ask(ctx, numByHashes, packLists(part, nil))
			if err != nil {
				return nil, err
			}
			blocks, sigs, err := lists(a.body)
			if err != nil || len(blocks) != len(part) || len(sigs) != len(part) {
				return nil, fmt.Errorf("%d blocks, %d signatures instead of %d (%v)", len(blocks), len(sigs), len(part), err)
			}
			for j := range part {
				number := at + uint64(i+j)
				want, ok := s.script.block(number)
				if !ok || string(part[j]) != string(want.hash) || string(blocks[j]) != string(want.rlp) || string(sigs[j]) != string(want.commitSig) {
					return nil, fmt.Errorf("block %d differs from the recorded one", number)
				}
			}
		}
	}
	return fields{"blocks": count, "ms": time.Since(start).Milliseconds()}, nil
}

// pace asks for one height after the other, each as soon as the last is answered, and says how long that took.
func (s *session) pace(ctx context.Context, count int) (fields, error) {
	start := time.Now()
	for i := 0; i < count; i++ {
		if _, err := s.ask(ctx, numHeight, nil); err != nil {
			return nil, err
		}
	}
	return fields{"ms": time.Since(start).Milliseconds()}, nil
}
