package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// envelope is a value as a far tier keeps it: with all that is needed to judge
// it when it comes back. On the wire:
//
//	"asc1"  class  told (ms)  epoch  generation  key  raw  CRC-32C of all before
//
// told is a varint, texts have their length as uvarint before them.
type envelope struct {
	class Class
	told  time.Time // in milliseconds
	marks Marks
	raw   string
}

const envelopeMagic = "asc1"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal puts a value into its envelope.
func (e *envelope) seal(key Key) []byte {
	name := key.AppendBinary(nil)
	b := make([]byte, 0, len(envelopeMagic)+48+len(e.marks.Epoch)+len(e.marks.Generation)+len(name)+len(e.raw))
	b = append(b, envelopeMagic...)
	b = append(b, byte(e.class))
	b = binary.AppendVarint(b, e.told.UnixMilli())
	b = appendText(b, e.marks.Epoch)
	b = appendText(b, e.marks.Generation)
	b = appendText(b, name)
	b = appendText(b, e.raw)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func appendText[T ~string | ~[]byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

var (
	errForeign = errors.New("the value is not one of ours")
	errDamaged = errors.New("the value is damaged")
	errMislaid = errors.New("the value belongs to another key")
)

// openEnvelope reads the value that was found under key. Anything may stand there.
func openEnvelope(b []byte, key Key) (e envelope, err error) {
	if len(b) < len(envelopeMagic)+5 || string(b[:len(envelopeMagic)]) != envelopeMagic {
		return envelope{}, errForeign
	}
	body, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return envelope{}, errDamaged
	}
	r := reader{rest: body[len(envelopeMagic):]}
	e.class = Class(r.byte())
	e.told = time.UnixMilli(r.varint())
	e.marks.Epoch = string(r.text())
	e.marks.Generation = string(r.text())
	name, raw := r.text(), r.text()
	switch {
	case r.bad || len(r.rest) > 0:
		return envelope{}, errDamaged
	case string(name) != string(key.AppendBinary(nil)):
		return envelope{}, errMislaid
	case e.class != Durable && e.class != Mutable:
		return envelope{}, fmt.Errorf("%w: it has the class %d", errForeign, e.class)
	}
	e.raw = string(raw)
	return e, nil
}

// reader takes bytes apart; once something is missing it is bad for good.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.bad = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) text() []byte {
	size, n := binary.Uvarint(r.rest)
	r.skip(n)
	if r.bad || size > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	text := r.rest[:size]
	r.rest = r.rest[size:]
	return text
}

func (r *reader) skip(n int) {
	if n <= 0 {
		r.bad, r.rest = true, nil
		return
	}
	r.rest = r.rest[n:]
}
