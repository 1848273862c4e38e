package main

import "context"

// cling keeps a stream to a peer the way a stream manager of a Go node does that wants it: whenever the stream ends,
// the next one is opened at once, over whatever connection stands. It gives up when opening fails, and says how many
// streams it has lost until then and why it could not have another one.
func (n *node) cling(ctx context.Context, r *request) (fields, error) {
	for lost := 0; ; lost++ {
		s, err := n.open(ctx, r.Peer, r.Addresses, r.Protocol, r.Script)
		if err != nil && lost == 0 {
			return nil, err
		}
		if err != nil {
			return fields{"lost": lost, "why": err.Error()}, nil
		}
		// A Go node asks for the height at once. What comes of it shows as the end of reading.
		s.send(claiming(s.newRequest(numHeight, nil).encode(), 0))
		select {
		case <-s.over:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
