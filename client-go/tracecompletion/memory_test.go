package tracecompletion_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
)

// readerVariable makes the test program a client that reads one streamed answer from the address, and
// prints what it took: memory is measured of a process that does nothing else.
const readerVariable = "TRACE_COMPLETION_TEST_READS_FROM"

func asReader() bool {
	address := os.Getenv(readerVariable)
	if address == "" {
		return false
	}
	client, err := tracecompletion.New(address)
	if err == nil {
		spans := 0
		for piece, e := range client.CompleteStream(context.Background(), question()) {
			spans += len(piece.GetChunk().GetSpans())
			err = e
		}
		var usage syscall.Rusage
		if err == nil {
			err = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
		}
		fmt.Printf("spans=%d kib=%d\n", spans, usage.Maxrss)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return true
}

// peak is the largest resident size, in KiB, of a client that reads an answer of so many spans.
func peak(t *testing.T, chunks, spansInChunk int) int {
	t.Helper()
	fake := streaming(func(stream answerStream) error { return sendStream(stream, chunks, spansInChunk) })
	address := fake.Start(t)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	reader := exec.CommandContext(ctx, os.Args[0])
	reader.Env = append(os.Environ(), readerVariable+"="+address, "GOGC=25")
	output, err := reader.CombinedOutput()
	var spans, kib int
	if _, e := fmt.Sscanf(strings.TrimSpace(string(output)), "spans=%d kib=%d", &spans, &kib); err != nil || e != nil {
		t.Fatalf("%v %v: %s", err, e, output)
	}
	if spans != chunks*spansInChunk {
		t.Fatalf("%d spans came", spans)
	}
	return kib
}

func TestMemoryGrowsWithTheChunkAndNotWithTheAnswer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("resident sizes are counted otherwise here")
	}
	var peaks []int
	// Spans have about 1 KiB: chunks of 1 MiB, then of 8 MiB.
	for _, c := range [][2]int{{2, 1000}, {20, 1000}, {100, 1000}, {4, 8000}} {
		kib := peak(t, c[0], c[1])
		t.Logf("%6d spans in %3d chunks of %4d: %3d MiB at the most", c[0]*c[1], c[0], c[1], kib>>10)
		peaks = append(peaks, kib)
	}
	// Garbage adds to it, but not with the length of the answer: 100,000 spans are 100 MiB on the wire.
	if growth := peaks[2] - peaks[1]; growth > 32<<10 {
		t.Errorf("five times the answer took %d KiB more", growth)
	}
	if growth := peaks[1] - peaks[0]; growth > 32<<10 {
		t.Errorf("ten times the answer took %d KiB more", growth)
	}
	if peaks[3] <= peaks[1] {
		t.Errorf("larger chunks took no more: %d and %d KiB", peaks[3], peaks[1])
	}
}
