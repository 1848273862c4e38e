package main

import (
	"encoding/binary"
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// The members of a request; those of an answer have numbers one higher, because 2 is the error there.
const (
	numError     = 1
	numHeight    = 2
	numHashes    = 3
	numByNumber  = 4
	numByHashes  = 5
	maxFrameBody = 20 << 20
)

var errMalformed = errors.New("malformed message")

// message is what a frame carries, one level deep.
type message struct {
	isRequest bool
	id        uint64
	// kind numbers answers as their requests.
	kind protowire.Number
	body []byte
}

func (m message) encode() []byte {
	outer, member := protowire.Number(2), m.kind+1
	if m.isRequest {
		outer, member = 1, m.kind
	}
	var inner []byte
	if m.id != 0 {
		inner = protowire.AppendTag(inner, 1, protowire.VarintType)
		inner = protowire.AppendVarint(inner, m.id)
	}
	inner = protowire.AppendTag(inner, member, protowire.BytesType)
	inner = protowire.AppendBytes(inner, m.body)
	out := protowire.AppendTag(nil, outer, protowire.BytesType)
	return protowire.AppendBytes(out, inner)
}

// each calls f for every field of a message.
func each(b []byte, f func(n protowire.Number, t protowire.Type, value []byte, varint uint64)) error {
	for len(b) > 0 {
		n, t, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errMalformed
		}
		b = b[size:]
		switch t {
		case protowire.VarintType:
			v, size := protowire.ConsumeVarint(b)
			if size < 0 {
				return errMalformed
			}
			f(n, t, nil, v)
			b = b[size:]
		case protowire.BytesType:
			v, size := protowire.ConsumeBytes(b)
			if size < 0 {
				return errMalformed
			}
			f(n, t, v, 0)
			b = b[size:]
		default:
			return errMalformed
		}
	}
	return nil
}

func decode(b []byte) (message, error) {
	var m message
	var inner []byte
	err := each(b, func(n protowire.Number, _ protowire.Type, value []byte, _ uint64) {
		m.isRequest, inner = n == 1, value
	})
	if err != nil {
		return m, err
	}
	err = each(inner, func(n protowire.Number, _ protowire.Type, value []byte, varint uint64) {
		if n == 1 {
			m.id = varint
			return
		}
		m.kind, m.body = n, value
		if !m.isRequest {
			m.kind--
		}
	})
	return m, err
}

// numbers reads field 1 as a list of integers, packed or not.
func numbers(b []byte) (out []uint64, err error) {
	err = each(b, func(n protowire.Number, t protowire.Type, value []byte, varint uint64) {
		if n != 1 {
			return
		}
		if t == protowire.VarintType {
			out = append(out, varint)
			return
		}
		for len(value) > 0 {
			v, size := protowire.ConsumeVarint(value)
			if size < 0 {
				return
			}
			out, value = append(out, v), value[size:]
		}
	})
	return out, err
}

func packNumbers(from uint64, count int) []byte {
	var packed []byte
	for i := 0; i < count; i++ {
		packed = protowire.AppendVarint(packed, from+uint64(i))
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), packed)
}

// lists reads the fields 1 and 2 as lists of byte strings.
func lists(b []byte) (first, second [][]byte, err error) {
	err = each(b, func(n protowire.Number, _ protowire.Type, value []byte, _ uint64) {
		switch n {
		case 1:
			first = append(first, value)
		case 2:
			second = append(second, value)
		}
	})
	return first, second, err
}

// packLists writes empty elements too: the two lists belong together by position.
func packLists(first, second [][]byte) []byte {
	var out []byte
	for _, v := range first {
		out = protowire.AppendBytes(protowire.AppendTag(out, 1, protowire.BytesType), v)
	}
	for _, v := range second {
		out = protowire.AppendBytes(protowire.AppendTag(out, 2, protowire.BytesType), v)
	}
	return out
}

func varintField(v uint64) []byte {
	if v == 0 {
		return nil
	}
	return protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), v)
}

func firstVarint(b []byte) (v uint64, err error) {
	err = each(b, func(n protowire.Number, _ protowire.Type, _ []byte, varint uint64) {
		if n == 1 {
			v = varint
		}
	})
	return v, err
}

// claiming puts a length before a body: the true one, or another.
func claiming(body []byte, claim int) []byte {
	if claim == 0 {
		claim = len(body)
	}
	return append(binary.LittleEndian.AppendUint32(nil, uint32(claim)), body...)
}

// filler is a run of bytes in which every place can be told from its neighbours.
func filler(size int) []byte {
	out := make([]byte, size)
	for i := range out {
		out[i] = byte(i*31 + i>>8)
	}
	return out
}
