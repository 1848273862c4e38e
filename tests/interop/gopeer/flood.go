package main

import (
	"context"
	"time"
)

// flood sends `perSecond` requests for the height for `forMs` or until its host is closed, waiting for no answer, on
// a stream that it opens anew whenever the last one has ended.
func (n *node) flood(ctx context.Context, r *request) (fields, error) {
	const perTick = 10 * time.Millisecond
	burst := max(1, r.PerSecond*int(perTick)/int(time.Second))
	start := time.Now()
	end := time.After(time.Duration(r.ForMs) * time.Millisecond)
	tick := time.NewTicker(perTick)
	defer tick.Stop()
	var current *session
	sent, opened, answers, busy := 0, 0, 0, 0
	settle := func() {
		if current == nil {
			return
		}
		current.mu.Lock()
		answers, busy = answers+current.answers, busy+current.busy
		current.mu.Unlock()
		current.stream.Reset()
		current = nil
	}
	for over := false; ; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-end:
			over = true
		case <-n.closed:
			over = true
		case <-tick.C:
		}
		if over {
			settle()
			ms := time.Since(start).Milliseconds()
			return fields{"sent": sent, "opened": opened, "answers": answers, "busy": busy, "ms": ms}, nil
		}
		if current == nil {
			s, err := n.open(ctx, r.Peer, r.Addresses, r.Protocol, script{})
			if err != nil {
				continue
			}
			current = s
			opened++
		}
		for i := 0; i < burst; i++ {
			current.stream.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			if err := current.send(claiming(current.newRequest(numHeight, nil).encode(), 0)); err != nil {
				settle()
				break
			}
			sent++
		}
	}
}
