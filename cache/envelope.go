package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
	"unsafe"
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

// openEnvelope reads the value that was found under key. Anything may stand there. What
// it returns is a part of the value.
func openEnvelope(value string, key Key) (e envelope, err error) {
	if len(value) < len(envelopeMagic)+5 || value[:len(envelopeMagic)] != envelopeMagic {
		return envelope{}, errForeign
	}
	body, sum := value[:len(value)-4], value[len(value)-4:]
	if crc32.Checksum(bytesOf(body), castagnoli) != binary.BigEndian.Uint32([]byte(sum)) {
		return envelope{}, errDamaged
	}
	r := reader{rest: body[len(envelopeMagic):]}
	e.class = Class(r.byte())
	e.told = time.UnixMilli(r.varint())
	e.marks.Epoch = r.text()
	e.marks.Generation = r.text()
	name, raw := r.text(), r.text()
	switch {
	case r.bad || len(r.rest) > 0:
		return envelope{}, errDamaged
	case name != string(key.AppendBinary(nil)):
		return envelope{}, errMislaid
	case e.class != Durable && e.class != Mutable:
		return envelope{}, fmt.Errorf("%w: it has the class %d", errForeign, e.class)
	}
	e.raw = raw
	return e, nil
}

// bytesOf is a string for those who neither keep nor change what they read.
func bytesOf(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // see above
}

// reader takes a text apart; once something is missing it is bad for good.
type reader struct {
	rest string
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
	v, n := binary.Varint(r.head())
	r.skip(n)
	return v
}

func (r *reader) text() string {
	size, n := binary.Uvarint(r.head())
	r.skip(n)
	if r.bad || size > uint64(len(r.rest)) {
		r.bad = true
		return ""
	}
	text := r.rest[:size]
	r.rest = r.rest[size:]
	return text
}

// head is as much of the rest as a varint can be.
func (r *reader) head() []byte { return []byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]) }

func (r *reader) skip(n int) {
	if n <= 0 {
		r.bad, r.rest = true, ""
		return
	}
	r.rest = r.rest[n:]
}
