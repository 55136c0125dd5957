package testserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ProgramVariable names the program under test, as the Makefile does; by default it is the debug build.
const ProgramVariable = "TRACE_COMPLETION_PROGRAM"

// patience bounds the start of a program: an embedded ClickHouse takes a second or two.
const patience = 60 * time.Second

// Program is the path of the real server. Without it there is nothing to test against: the test fails.
func Program(t testing.TB) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatalf("no server to test against (make test-go builds it; %s names another): %v", ProgramVariable, err)
	}
	return path
}

func program() (string, error) {
	path := os.Getenv(ProgramVariable)
	if path == "" {
		folder, err := root()
		if err != nil {
			return "", err
		}
		path = filepath.Join(folder, "target", "debug", "trace-completion")
	}
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	return path, err
}

// root is the folder of the repository that the tests of the client need.
func root() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; folder != filepath.Dir(folder); folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "Cargo.toml")); err == nil {
			return folder, nil
		}
	}
	return "", errors.New("the tests of the client need the repository that it comes from")
}

// Demo runs the real server with an embedded ClickHouse and the rows of its demo, for an example, which has
// no test to report to. It waits until the server is ready.
func Demo() (address string, stop func(), err error) {
	path, err := program()
	if err != nil {
		return "", nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address = listener.Addr().String()
	listener.Close()
	command := exec.Command(path, "demo", "--keep", "--listen", address)
	if command.Dir, err = root(); err != nil {
		return "", nil, err
	}
	if err = command.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		answer, err := client.Get("http://" + address + "/readyz")
		if err != nil {
			continue
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return address, stop, nil
		}
	}
	stop()
	return "", nil, fmt.Errorf("the server was not ready in %s", patience)
}

// Process is a running program.
type Process struct {
	// Address of both doors.
	Address string
	command *exec.Cmd
	ended   chan struct{}
	log     *strings.Builder
}

// FreeAddress is an address on which nothing listens now.
func FreeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// Start runs the program with these arguments and variables, which make it listen on address, until the
// test ends. It does not wait until it is ready.
func Start(t testing.TB, address string, variables []string, arguments ...string) *Process {
	t.Helper()
	program := Program(t)
	command := exec.Command(program, arguments...)
	// The embedded ClickHouse is looked for in .cache of the working directory, and `make` installs it in that
	// of the repository, wherever the program itself is.
	folder, err := root()
	if err != nil {
		t.Fatal(err)
	}
	command.Dir = folder
	command.Env = append(os.Environ(), variables...)
	output, input, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout, command.Stderr = input, input
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	input.Close()
	process := &Process{Address: address, command: command, ended: make(chan struct{}), log: &strings.Builder{}}
	go func() {
		defer close(process.ended)
		lines := bufio.NewReader(output)
		_, _ = io.Copy(process.log, lines)
		output.Close()
		_ = command.Wait()
	}()
	t.Cleanup(func() {
		process.Kill()
		if t.Failed() {
			t.Logf("%s %s:\n%s", program, strings.Join(arguments, " "), process.log)
		}
	})
	return process
}

// Kill ends the program at once, as a crash would.
func (p *Process) Kill() {
	_ = p.command.Process.Kill()
	<-p.ended
}

// Freeze stops the program where it is: it does not answer, and its connections stay.
func (p *Process) Freeze() error {
	return p.command.Process.Signal(syscall.SIGSTOP)
}

// Ready waits until the path answers with the status.
func (p *Process) Ready(t testing.TB, path string, status int) {
	t.Helper()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.ended:
			t.Fatalf("the server ended:\n%s", p.log)
		default:
		}
		answer, err := client.Get("http://" + p.Address + path)
		if err != nil {
			continue
		}
		answer.Body.Close()
		if answer.StatusCode == status {
			return
		}
	}
	p.Kill()
	t.Fatalf("the server was not ready in %s:\n%s", patience, p.log)
}
