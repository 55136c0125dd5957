package tracecompletion_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
)

// pinged is a server that answers no call. It reports each call and each ping.
func pinged(t *testing.T) (address string, calls, pings <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	came, heard := make(chan struct{}, 10), make(chan struct{}, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		framer := http2.NewFramer(conn, conn)
		err = framer.WriteSettings()
		for err == nil {
			var frame http2.Frame
			if frame, err = framer.ReadFrame(); err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					err = framer.WriteSettingsAck()
				}
			case *http2.HeadersFrame:
				came <- struct{}{}
			case *http2.PingFrame:
				if !frame.IsAck() {
					heard <- struct{}{}
					err = framer.WritePing(true, frame.Data)
				}
			}
		}
	}()
	// This runs after the client is closed, which ends the connection.
	t.Cleanup(func() { listener.Close(); <-done })
	return listener.Addr().String(), came, heard
}

// Servers close connections on which pings come too often, or while there is no call.
func TestKeepaliveConforms(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute: gRPC pings no faster")
	}
	t.Parallel()
	ask := func(address string) (end func()) {
		// The deadline must not end the call before the ping.
		client := newClient(t, address, tracecompletion.WithTimeout(time.Minute))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = client.Complete(ctx, question())
		}()
		return func() { cancel(); <-done }
	}
	idle, calls, idlePings := pinged(t)
	end := ask(idle)
	<-calls
	end()

	busy, calls, busyPings := pinged(t)
	begin := time.Now()
	defer ask(busy)()
	<-calls
	select {
	case <-busyPings:
		// 30 s, minus the time before the client had sent its call.
		if took := time.Since(begin); took < 29*time.Second {
			t.Errorf("the first ping came after %s", took)
		}
	case <-time.After(45 * time.Second):
		t.Error("no ping came during a call")
	}
	// The idle connection is older, so its ping would have come first.
	if len(idlePings) != 0 {
		t.Error("a connection without a call was pinged")
	}
}
