// Package standstill knows for how long the machine let a test stand still, so that tests
// of what real servers do within a time judge the code and not the machine.
//
// A [Watch] is a goroutine that asks to be woken every few milliseconds and notes by how
// much it was woken too late. Whatever was measured meanwhile was as late: [Watch.Took] is
// the time that has passed less what the machine took for itself. On a machine that runs, it is the time that
// has passed, so a bound is as strict there as its test says.
//
// It sees what stops this process: a virtual machine that is paused, a cgroup that has
// used its share, more work than cores. It does not see another process that waits for a
// core while this one has one, so bounds on what a server does need room beside it.
//
// Tests in testing/synctest bubbles need none of this, as time is exact there.
package standstill
