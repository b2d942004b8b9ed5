package userlist

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"unicode/utf8"
)

// MaxLine is the longest line in bytes that is looked into. A longer one is
// passed through without being kept.
const MaxLine = 64 << 10

// maxExcerpt bounds in bytes what a Place quotes of a line.
const maxExcerpt = 60

// Place is where a position came from.
type Place struct {
	// Line counts the lines of the source from 1; 0 for an id of Input.IDs.
	Line int64
	// Problem says what is wrong with the line; empty if nothing is.
	Problem string
	// Excerpt is the beginning of a line with a Problem, in printable ASCII.
	Excerpt string
}

var (
	utf8Mark  = []byte("\xef\xbb\xbf")
	utf16Mark = [][]byte{[]byte("\xff\xfe"), []byte("\xfe\xff")}

	errUTF16 = errors.New("is UTF-16: save it as UTF-8")
)

// lines cuts a source into ids.
type lines struct {
	r      *bufio.Reader
	number int64
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, MaxLine)} }

// next returns the id of the next line that has one, or io.EOF.
func (l *lines) next() (id string, at Place, err error) {
	for {
		line, long, err := l.read()
		if err != nil {
			return "", Place{Line: max(1, l.number)}, err
		}
		if long != nil {
			return long.id, Place{Line: l.number, Problem: long.problem(), Excerpt: excerpt(long.head)}, nil
		}
		if line = content(line); line == nil {
			continue
		}
		id, problem := idOf(line)
		at := Place{Line: l.number}
		if problem != "" {
			id, at.Problem, at.Excerpt = standIn(sha256.Sum256(line)), problem, excerpt(line)
		}
		return id, at, nil
	}
}

// content is what a line says without the white space around it; nil if it is
// blank or a comment.
func content(line []byte) []byte {
	if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
		return nil
	}
	return line
}

// read returns a line without its end, valid until the next read, or what is
// left of one that is too long. At the end of the source it returns io.EOF.
func (l *lines) read() (line []byte, long *longLine, err error) {
	line, err = l.r.ReadSlice('\n')
	if l.number == 0 { // looked at here, since a stream may have no more to say for now
		for _, mark := range utf16Mark {
			if bytes.HasPrefix(line, mark) {
				return nil, nil, errUTF16
			}
		}
		line = bytes.TrimPrefix(line, utf8Mark)
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		l.number++
		if err == io.EOF && len(line) > 0 {
			err = nil
		}
		return line, nil, err
	}
	l.number++
	long = &longLine{head: bytes.Clone(line[:maxExcerpt+utf8.UTFMax]), sum: sha256.New()}
	for {
		long.add(line)
		switch line, err = l.r.ReadSlice('\n'); {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == nil || err == io.EOF:
			long.add(line)
			long.id = standIn([sha256.Size]byte(long.sum.Sum(nil)))
			return nil, long, nil
		}
		return nil, nil, err
	}
}

// longLine is what is left of a line that was too long.
type longLine struct {
	head []byte
	size int64
	sum  hash.Hash
	id   string
}

func (l *longLine) add(part []byte) {
	l.size += int64(len(part))
	l.sum.Write(bytes.TrimRight(part, "\r\n"))
}

func (l *longLine) problem() string {
	return fmt.Sprintf("the line has %d bytes, more than %d: give one user id a line", l.size, MaxLine)
}

// idOf returns the id of a line that is neither blank nor a comment, or what is
// wrong with it.
func idOf(line []byte) (id, problem string) {
	if !utf8.Valid(line) {
		return "", "the line is not valid UTF-8: save the list as UTF-8"
	}
	if line[0] != '{' {
		return string(line), ""
	}
	var object struct {
		UserID *string `json:"user_id"`
	}
	switch err := json.Unmarshal(line, &object); {
	case err != nil:
		return "", fmt.Sprintf("the line begins with { but is not a JSON object with a text user_id (%v): give one, or the plain id", err)
	case object.UserID == nil:
		return "", "the line is JSON without a member user_id: give one, or the plain id"
	case *object.UserID == "":
		return "", "the line is JSON with an empty user_id: give the id that the service made"
	}
	return *object.UserID, ""
}

// standIn holds the place of a line that names no user. The client refuses it
// because of its control character.
func standIn(sum [sha256.Size]byte) string { return "\x00" + hex.EncodeToString(sum[:16]) }

// excerpt quotes the beginning of a line.
func excerpt(line []byte) string {
	if len(line) <= maxExcerpt {
		return strconv.QuoteToASCII(string(line))
	}
	return strconv.QuoteToASCII(string(line[:maxExcerpt])) + "…"
}
