package journal_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/journal"
)

// What a process could not tell the shared tier, the next one finds. A cache does this
// by itself: cache.New(near, cache.WithFar(shared), cache.WithJournal(diary)).
func Example() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "erasures")
	erased := cache.OwnerOf(cache.TenantOf("your-api-key", "https://api.asleep.ai"), "user-0001")

	for process := range 2 {
		diary, err := journal.Open(path)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("process", process, "finds", len(diary.Pending()))
		if err := diary.Add(erased); err != nil {
			fmt.Println(err)
		}
		if err := diary.Close(); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// process 0 finds 0
	// process 1 finds 1
}
