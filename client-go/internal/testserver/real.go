package testserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ProgramVariable is the environment variable that names the program to test against. The Makefile sets it.
// Without it, the debug build is used.
const ProgramVariable = "TRACE_COMPLETION_PROGRAM"

// patience is the longest time to wait for the start of a program.
const patience = 60 * time.Second

// Program returns the path of the real server. If it is not there, the test fails.
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

// root is the top folder of the repository.
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

// Demo runs the real server with an embedded ClickHouse and the rows of its demo, and waits until it is ready.
// It is for examples, which have no testing.T.
func Demo() (address string, stop func(), err error) {
	process, err := start(AnyPort, nil, "demo", "--keep")
	if err != nil {
		return "", nil, err
	}
	if err := process.waitFor("/readyz", http.StatusOK); err != nil {
		process.Kill()
		return "", nil, err
	}
	return process.Address, process.Kill, nil
}

// AnyPort is an address that lets the system choose a free port.
const AnyPort = "127.0.0.1:0"

// Process is a running program.
type Process struct {
	// Address is where the program listens for gRPC and REST.
	Address string
	command *exec.Cmd
	ended   chan struct{}
	// log is what the program has printed. It may be read only after the program has ended.
	log *strings.Builder
}

// Reserve returns an address at which nothing listens until the end of the test, unless the test itself starts
// a server there. See [ReserveAddress].
func Reserve(t testing.TB) string {
	t.Helper()
	address, release, err := ReserveAddress()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return address
}

// ReserveAddress keeps a free port of 127.0.0.1 until release is called: nobody else gets it, and connections
// to it are refused. The holder may start a server there, end it, and start another.
//
// A socket that is bound but does not listen keeps the port. It has SO_REUSEADDR, as the sockets of servers
// have, so a server can bind the same port.
func ReserveAddress() (address string, release func(), err error) {
	// No child process may inherit the socket; package net locks in the same way.
	syscall.ForkLock.RLock()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(socket)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return "", nil, err
	}
	release = func() { _ = syscall.Close(socket) }
	err = syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err == nil {
		err = syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	var bound syscall.Sockaddr
	if err == nil {
		bound, err = syscall.Getsockname(socket)
	}
	if err != nil {
		release()
		return "", nil, err
	}
	inet, ok := bound.(*syscall.SockaddrInet4)
	if !ok {
		release()
		return "", nil, fmt.Errorf("an IPv4 socket is bound to %T", bound)
	}
	return fmt.Sprintf("127.0.0.1:%d", inet.Port), release, nil
}

// Start runs the program with these arguments and variables until the test ends. When Start returns, the
// program listens at address. [Process.Ready] waits until it can answer questions.
func Start(t testing.TB, address string, variables []string, arguments ...string) *Process {
	t.Helper()
	Program(t) // its error says what to do if there is no program
	process, err := start(address, variables, arguments...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Kill()
		if t.Failed() {
			t.Logf("%s:\n%s", strings.Join(process.command.Args, " "), process.log)
		}
	})
	return process
}

// listens matches the line in which `serve` and `demo` print their address.
var listens = regexp.MustCompile(`listening.* address=(\S+)|^server +http://(\S+) serves`)

func start(address string, variables []string, arguments ...string) (*Process, error) {
	path, err := program()
	if err != nil {
		return nil, err
	}
	command := exec.Command(path, append(arguments, "--listen", address)...)
	// The program looks for the embedded ClickHouse in .cache of its working directory, and `make` installs it
	// in .cache of the repository.
	if command.Dir, err = root(); err != nil {
		return nil, err
	}
	command.Env = append(os.Environ(), variables...)
	output, input, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer input.Close()
	command.Stdout, command.Stderr = input, input
	if err := command.Start(); err != nil {
		output.Close()
		return nil, err
	}
	process := &Process{command: command, ended: make(chan struct{}), log: &strings.Builder{}}
	listening := make(chan string, 1)
	go process.follow(output, listening)
	select {
	case process.Address = <-listening:
		return process, nil
	case <-process.ended:
		return nil, fmt.Errorf("the program ended:\n%s", process.log)
	case <-time.After(patience):
		process.Kill()
		return nil, fmt.Errorf("the program did not say within %s where it listens:\n%s", patience, process.log)
	}
}

// follow reads what the program prints until it ends, and sends the address when it is printed.
func (p *Process) follow(output io.ReadCloser, listening chan<- string) {
	defer close(p.ended)
	lines := bufio.NewReader(output)
	for told := false; ; {
		line, err := lines.ReadString('\n')
		p.log.WriteString(line)
		if found := listens.FindStringSubmatch(line); found != nil && !told {
			told = true
			listening <- found[1] + found[2]
		}
		if err != nil {
			break
		}
	}
	output.Close()
	_ = p.command.Wait()
}

// Kill ends the program at once, like a crash.
func (p *Process) Kill() {
	_ = p.command.Process.Kill()
	<-p.ended
}

// Freeze stops the program without ending it: it does not answer, but its connections stay open.
func (p *Process) Freeze() error {
	return p.command.Process.Signal(syscall.SIGSTOP)
}

// Ready waits until the path answers with this HTTP status.
func (p *Process) Ready(t testing.TB, path string, status int) {
	t.Helper()
	if err := p.waitFor(path, status); err != nil {
		p.Kill()
		t.Fatalf("%v:\n%s", err, p.log)
	}
}

// waitFor asks for the path until it answers with this HTTP status.
func (p *Process) waitFor(path string, status int) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.After(patience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if answer, err := client.Get("http://" + p.Address + path); err == nil {
			answer.Body.Close()
			if answer.StatusCode == status {
				return nil
			}
		}
		select {
		case <-again.C:
		case <-p.ended:
			return errors.New("the program ended")
		case <-deadline:
			return fmt.Errorf("%s did not answer with %d within %s", path, status, patience)
		}
	}
}
