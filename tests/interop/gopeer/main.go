// Command gopeer is the other side of hsync's interop tests: peers on go-libp2p that do what a test tells them.
//
// One process holds any number of hosts. Commands come as one JSON object a line on standard input, answers and
// events leave as one JSON object a line on standard output. Commands run side by side, so that one that waits does
// not hold up the next. The process ends with its standard input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// request is a command with all its possible arguments; unknown ones are refused, so that a typing error in a test
// does not pass for a default.
type request struct {
	ID int    `json:"id"`
	Do string `json:"do"`

	Host   int `json:"host"`
	Stream int `json:"stream"`

	// host
	Key    string   `json:"key"`
	Muxers []string `json:"muxers"`
	Boot   []string `json:"boot"`
	Client bool     `json:"client"`

	// open, flood, cling, find, provide
	Peer      string   `json:"peer"`
	Addresses []string `json:"addresses"`
	Protocol  string   `json:"protocol"`
	Namespace string   `json:"namespace"`
	Limit     int      `json:"limit"`
	TimeoutMs int      `json:"timeoutMs"`

	// handle, open, cling
	Script script `json:"script"`

	// send, frame, ask, pull, pace, flood
	Size      int    `json:"size"`
	Claim     int    `json:"claim"`
	What      string `json:"what"`
	From      uint64 `json:"from"`
	Count     int    `json:"count"`
	PerSecond int    `json:"perSecond"`
	ForMs     int    `json:"forMs"`
}

func (r *request) timeout() time.Duration {
	if r.TimeoutMs > 0 {
		return time.Duration(r.TimeoutMs) * time.Millisecond
	}
	return 30 * time.Second
}

type fields = map[string]any

// output writes whole lines, whoever speaks.
type output struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (o *output) write(v any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.enc.Encode(v); err != nil {
		// Nobody listens any more.
		os.Exit(1)
	}
}

func (o *output) event(name string, f fields) {
	f["event"] = name
	o.write(f)
}

func main() {
	out := &output{enc: json.NewEncoder(os.Stdout)}
	world := newWorld(out)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var r request
		dec := json.NewDecoder(newLine(lines.Bytes()))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&r); err != nil {
			out.write(fields{"id": r.ID, "error": fmt.Sprintf("no such command: %v", err)})
			continue
		}
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), r.timeout())
			defer cancel()
			result, err := world.do(ctx, &r)
			if err != nil {
				out.write(fields{"id": r.ID, "error": err.Error()})
				return
			}
			if result == nil {
				result = fields{}
			}
			result["id"] = r.ID
			out.write(result)
		}()
	}
	world.close()
}
