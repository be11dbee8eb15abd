// The operations of bench/micro_*.c in Go on one processor, measured as bench/lib/measure.c does.
// Arguments: [--quick] [NAME...], as there.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	repeats = 41
	run     = 2 * time.Millisecond
	limit   = 2 * time.Second
	pending = 10000
)

var quick bool
var wanted []string

func readArguments() {
	for _, word := range os.Args[1:] {
		if word == "--quick" {
			quick = true
		} else {
			wanted = append(wanted, word)
		}
	}
}

func isWanted(name string) bool {
	for _, word := range wanted {
		if strings.HasPrefix(name, word) {
			return true
		}
	}
	return len(wanted) == 0
}

// measure prints the best of some runs, each as long as run.
func measure(name string, body func(loops int)) {
	if !isWanted(name) {
		return
	}
	begin := time.Now()
	loops, best := 1000, 0.0
	for runs := 0; runs < repeats && (runs == 0 || time.Since(begin) < limit); {
		start := time.Now()
		body(loops)
		took := time.Since(start)
		if took < run && runs == 0 && !quick {
			factor := 1 + int(2400*time.Microsecond/(took+1))
			if factor > 10 {
				factor = 10
			}
			loops *= factor
			continue
		}
		if ns := float64(took.Nanoseconds()) / float64(loops); runs == 0 || ns < best {
			best = ns
		}
		runs++
		if quick {
			break
		}
	}
	fmt.Printf("{\"name\": \"%s\", \"ns\": %.2f}\n", name, best)
}

func yieldTwo(loops int) {
	var group sync.WaitGroup
	group.Add(2)
	for i := 0; i < 2; i++ {
		go func() {
			for i := 0; i < loops/2; i++ {
				runtime.Gosched()
			}
			group.Done()
		}()
	}
	group.Wait()
}

func spawnJoin(loops int) {
	done := make(chan struct{})
	for i := 0; i < loops; i++ {
		go func() { done <- struct{}{} }()
		<-done
	}
}

func throughChannel(loops, capacity int) {
	channel := make(chan int64, capacity)
	go func() {
		for i := 0; i < loops; i++ {
			channel <- int64(i)
		}
		close(channel)
	}()
	for range channel {
	}
}

func lockMutex(loops int) {
	var mutex sync.Mutex
	for i := 0; i < loops; i++ {
		mutex.Lock()
		mutex.Unlock()
	}
}

func armAndDisarm(loops int) {
	for i := 0; i < loops; i++ {
		time.NewTimer(time.Minute).Stop()
	}
}

func main() {
	readArguments()
	runtime.GOMAXPROCS(1)
	measure("go_yield", yieldTwo)
	measure("go_spawn_join", spawnJoin)
	measure("go_channel_unbuffered", func(loops int) { throughChannel(loops, 0) })
	measure("go_channel_64", func(loops int) { throughChannel(loops, 64) })
	measure("go_mutex", lockMutex)
	timers := make([]*time.Timer, pending)
	for i := range timers {
		timers[i] = time.NewTimer(time.Hour)
	}
	measure("go_timer", armAndDisarm)
	runtime.KeepAlive(timers)
	if runtime.NumCPU() > 1 {
		runtime.GOMAXPROCS(2)
		measure("go_two_processors_channel_1024", func(loops int) { throughChannel(loops, 1024) })
	}
}
