package tracecompletion_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// Memory is measured in a process that does nothing else. With readerVariable, the test program is such a
// process: it reads one streamed answer from the address in the variable, and prints the memory that it
// needed. askVariable is the number of spans of its question. With keepVariable it keeps the whole answer.
const (
	readerVariable = "TRACE_COMPLETION_TEST_READS_FROM"
	askVariable    = "TRACE_COMPLETION_TEST_ASKS_WITH"
	keepVariable   = "TRACE_COMPLETION_TEST_KEEPS"
)

func asReader() bool {
	address := os.Getenv(readerVariable)
	if address == "" {
		return false
	}
	request := question()
	if spans, err := strconv.Atoi(os.Getenv(askVariable)); err == nil {
		request = largeQuestion(spans)
	}
	client, err := tracecompletion.New(address)
	if err == nil {
		spans := 0
		var kept []*v1.StreamCompleteTraceResponse
		for piece, e := range client.CompleteStream(context.Background(), request) {
			spans += len(piece.GetChunk().GetSpans())
			err = e
			if os.Getenv(keepVariable) != "" {
				kept = append(kept, piece)
			}
		}
		runtime.KeepAlive(kept)
		var kib int
		if err == nil {
			kib, err = ownPeak()
		}
		fmt.Printf("spans=%d kib=%d\n", spans, kib)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return true
}

// ownPeak is the largest resident size of this process, in KiB. The value of getrusage is of no use, because it
// begins with the size of the parent process.
func ownPeak() (kib int, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, found, _ := strings.Cut(string(status), "VmHWM:")
	_, err = fmt.Sscanf(found, "%d kB", &kib)
	return kib, err
}

// peak is the largest resident size, in KiB, of a client that reads an answer with this many spans.
func peak(t *testing.T, address string, want int, variables ...string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	reader := exec.CommandContext(ctx, os.Args[0])
	reader.Env = append(os.Environ(), readerVariable+"="+address, "GOGC=25")
	reader.Env = append(reader.Env, variables...)
	output, err := reader.CombinedOutput()
	var spans, kib int
	if _, e := fmt.Sscanf(strings.TrimSpace(string(output)), "spans=%d kib=%d", &spans, &kib); err != nil || e != nil {
		t.Fatalf("%v %v: %s", err, e, output)
	}
	if spans != want {
		t.Fatalf("%d spans came", spans)
	}
	return kib
}

func TestMemoryGrowsWithTheChunkAndNotWithTheAnswer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("resident sizes are counted otherwise here")
	}
	var peaks []int
	// A span has about 1 KiB, so the chunks have 1 MiB, and the last ones 8 MiB.
	for _, c := range [][2]int{{2, 1000}, {20, 1000}, {100, 1000}, {4, 8000}} {
		fake := streaming(func(stream answerStream) error { return sendStream(stream, c[0], c[1]) })
		kib := peak(t, fake.Start(t), c[0]*c[1])
		t.Logf("%6d spans in %3d chunks of %4d: %3d MiB at the most", c[0]*c[1], c[0], c[1], kib>>10)
		peaks = append(peaks, kib)
	}
	// Garbage needs some memory, but not more for a longer answer. 100,000 spans are 100 MiB on the wire.
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

// The real server sends 20,000 spans. The question is as large as the answer, and in memory all the time.
func TestMemoryForTheRealServersAnswerGrowsWithTheChunk(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("resident sizes are counted otherwise here")
	}
	const spans = 20_000
	measure := func(chunkBytes int, variables ...string) int {
		t.Helper()
		process := withoutRows(t,
			fmt.Sprintf("TRACE_COMPLETION_LIMITS_MAX_APP_SPANS=%d", spans),
			fmt.Sprintf("TRACE_COMPLETION_LIMITS_STREAM_CHUNK_BYTES=%d", chunkBytes))
		defer process.Kill()
		kib := peak(t, process.Address, spans, append(variables, fmt.Sprintf("%s=%d", askVariable, spans))...)
		t.Logf("%d spans in chunks of %4d KiB %s: %3d MiB at the most", spans, chunkBytes>>10, variables, kib>>10)
		return kib
	}
	small, usual := measure(64<<10), measure(1<<20)
	kept := measure(64<<10, keepVariable+"=1")
	if kept-small < 16<<10 {
		t.Errorf("to keep the answer took only %d KiB more", kept-small)
	}
	if small >= usual {
		t.Errorf("%d KiB with small chunks, %d with the usual ones", small, usual)
	}
}
