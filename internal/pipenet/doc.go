// Package pipenet is a network in memory for testing/synctest bubbles.
//
// Real sockets do not block durably, so a bubble's clock stands still while one
// is read. A [Listener] hands the two ends of a [net.Pipe] to a dialling
// http.Transport and an accepting http.Server instead: net/http runs unchanged
// and time is exact. Create it inside the bubble that uses it.
//
// What it does when things go wrong: dialling a closed or refusing listener
// fails at once with a *net.OpError that matches syscall.ECONNREFUSED, a dial
// waits for Accept until its context ends, and closing the listener leaves
// connections open, as TCP does. A pipe has no buffer: a write blocks until
// the other side reads or closes.
package pipenet
