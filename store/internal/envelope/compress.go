package envelope

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/asleep-sdk/asleep/store"
)

const (
	// smallest is the payload from which on compressing pays: a smaller one fits
	// its page of the database either way.
	smallest = 2 << 10

	// largest is the most that a payload may come to when it is opened. Larger
	// ones are stored as they are, so what claims to be larger is a bomb.
	largest = 16 << 20
)

// The encoder and the decoder are made when they are first needed: they hold
// about a megabyte a processor. They may be used by several goroutines.
var (
	encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(true), zstd.WithLowerEncoderMem(true))
	})
	decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(largest))
	})
)

// compress appends the compressed form of plain to out; ok is false if that
// would not pay.
func compress(out, plain []byte) (_ []byte, ok bool, err error) {
	if len(plain) < smallest || len(plain) > largest {
		return nil, false, nil
	}
	e, err := encoder()
	if err != nil {
		return nil, false, fmt.Errorf("compress: %w", err)
	}
	before := len(out)
	out = e.EncodeAll(plain, out)
	return out, len(out)-before < len(plain)/8*7, nil
}

// decompress opens what compress made.
func decompress(column string, packed []byte) ([]byte, error) {
	d, err := decoder()
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	plain, err := d.DecodeAll(packed, nil)
	if err == nil && len(plain) == 0 {
		err = io.ErrUnexpectedEOF // nothing is never compressed
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s does not decompress: %w", store.ErrCorrupt, column, err)
	}
	return plain, nil
}
