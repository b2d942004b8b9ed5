package cli

import "bytes"

// indent spreads a compact JSON value over lines for people to read. Arrays of
// plain values, such as the thousand stages of a night, stay on one line.
func indent(compact []byte) []byte {
	var out bytes.Buffer
	depth := 0
	line := func() {
		out.WriteByte('\n')
		for range depth {
			out.WriteString("  ")
		}
	}
	for i := 0; i < len(compact); i++ {
		switch c := compact[i]; c {
		case '"':
			end := i + textLength(compact[i:])
			out.Write(compact[i:end])
			i = end - 1
		case '{', '[':
			if n := plainLength(compact[i:]); n > 0 {
				out.Write(compact[i : i+n])
				i += n - 1
				continue
			}
			out.WriteByte(c)
			depth++
			line()
		case '}', ']':
			depth--
			line()
			out.WriteByte(c)
		case ',':
			out.WriteByte(c)
			line()
		case ':':
			out.WriteString(": ")
		default:
			out.WriteByte(c)
		}
	}
	return out.Bytes()
}

// textLength is the length of the JSON string that b begins with.
func textLength(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// plainLength is the length of the array or object that b begins with if it
// stays on one line: an array without arrays and objects in it, or an empty
// object; else 0.
func plainLength(b []byte) int {
	if b[0] == '{' {
		if len(b) > 1 && b[1] == '}' {
			return 2
		}
		return 0
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '"':
			i += textLength(b[i:]) - 1
		case '{', '[':
			return 0
		case ']':
			return i + 1
		}
	}
	return 0
}
