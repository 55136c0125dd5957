package tracecompletion_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/trace-completion/trace-completion/client-go/internal/testserver"
	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

func TestACallWithoutADeadlineGetsOne(t *testing.T) {
	left := make(chan time.Duration, 1)
	fake := &testserver.Fake{Complete: func(
		ctx context.Context, _ *v1.CompleteTraceRequest,
	) (*v1.CompleteTraceResponse, error) {
		deadline, has := ctx.Deadline()
		if !has {
			deadline = time.Now()
		}
		left <- time.Until(deadline)
		return answer(), nil
	}}
	address := fake.Start(t)
	timeout := func(timeout time.Duration) []tracecompletion.Option {
		return []tracecompletion.Option{tracecompletion.WithTimeout(timeout)}
	}
	for _, c := range []struct {
		ctx      context.Context
		opts     []tracecompletion.Option
		from, to time.Duration
	}{
		{context.Background(), nil, 25 * time.Second, 31 * time.Second},
		{context.Background(), timeout(20 * time.Second), 15 * time.Second, 21 * time.Second},
		{within(t, 10*time.Second), nil, 5 * time.Second, 11 * time.Second},
		{context.Background(), timeout(0), -time.Second, 0},
	} {
		if _, err := newClient(t, address, c.opts...).Complete(c.ctx, question()); err != nil {
			t.Fatal(err)
		}
		if got := <-left; got < c.from || got > c.to {
			t.Errorf("%s left, want %s to %s", got, c.from, c.to)
		}
	}
}

func TestErrorsAreTyped(t *testing.T) {
	fake := &testserver.Fake{Complete: func(
		context.Context, *v1.CompleteTraceRequest,
	) (*v1.CompleteTraceResponse, error) {
		status, err := status.New(codes.InvalidArgument, "max_iteration: 0 is less than 1").WithDetails(
			&errdetails.ErrorInfo{
				Reason: "ERROR_REASON_INVALID_REQUEST", Domain: "tracecompletion.v1",
				Metadata: map[string]string{"request_id": "id-7"},
			},
			&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
				{Field: "max_iteration", Description: "0 is less than 1"},
			}})
		if err != nil {
			return nil, err
		}
		return nil, status.Err()
	}}
	_, err := newClient(t, fake.Start(t)).Complete(within(t, 10*time.Second), question())
	var fault *tracecompletion.Error
	if !errors.As(err, &fault) {
		t.Fatalf("%T: %v", err, err)
	}
	if fault.Code != codes.InvalidArgument || fault.Reason != v1.ErrorReason_ERROR_REASON_INVALID_REQUEST ||
		fault.RequestID != "id-7" || fault.RetryDelay != 0 {
		t.Errorf("%+v", fault)
	}
	want := tracecompletion.Violation{Field: "max_iteration", Description: "0 is less than 1"}
	if len(fault.Violations) != 1 || fault.Violations[0] != want {
		t.Errorf("%+v", fault.Violations)
	}
	text := "tracecompletion: InvalidArgument (INVALID_REQUEST): max_iteration: 0 is less than 1 [request id id-7]"
	if err.Error() != text {
		t.Errorf("%q", err.Error())
	}
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("the gRPC status is lost: %v", status.Code(err))
	}
}

func TestTheCallersOwnEndIsFound(t *testing.T) {
	hang, came := hanging()
	client := newClient(t, hang.Start(t))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-came
		cancel()
	}()
	if _, err := client.Complete(ctx, question()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	_, err := client.Complete(within(t, 500*time.Millisecond), question())
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	var fault *tracecompletion.Error
	if !errors.As(err, &fault) || fault.Code != codes.DeadlineExceeded {
		t.Errorf("%v", err)
	}
}

func TestHealthy(t *testing.T) {
	fake := &testserver.Fake{Health: health.NewServer()}
	client := newClient(t, fake.Start(t))
	service := v1.TraceCompletionService_ServiceDesc.ServiceName
	fake.Health.SetServingStatus(service, healthpb.HealthCheckResponse_NOT_SERVING)
	if err := client.Healthy(within(t, 5*time.Second)); !errors.Is(err, tracecompletion.ErrNotServing) {
		t.Errorf("%v", err)
	}
	fake.Health.SetServingStatus(service, healthpb.HealthCheckResponse_SERVING)
	if err := client.Healthy(within(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
	nobody := newClient(t, testserver.Reserve(t))
	var fault *tracecompletion.Error
	if err := nobody.Healthy(within(t, 5*time.Second)); !errors.As(err, &fault) || fault.Code != codes.Unavailable {
		t.Errorf("%v", err)
	}
}

// headers is a server whose answer has the value of a request header as its description.
func headers(name string) *testserver.Fake {
	return &testserver.Fake{Complete: func(
		ctx context.Context, _ *v1.CompleteTraceRequest,
	) (*v1.CompleteTraceResponse, error) {
		given, _ := metadata.FromIncomingContext(ctx)
		return &v1.CompleteTraceResponse{Description: strings.Join(given.Get(name), "|")}, nil
	}}
}

func TestOrganisation(t *testing.T) {
	client := newClient(t, headers("x-org-id").Start(t), tracecompletion.WithOrganisation("7"))
	got, err := client.Complete(within(t, 5*time.Second), question())
	if err != nil || got.GetDescription() != "7" {
		t.Errorf("%v %v", got, err)
	}
	ctx := metadata.AppendToOutgoingContext(within(t, 5*time.Second), "x-org-id", "8")
	got, err = client.Complete(ctx, question())
	if err != nil || got.GetDescription() != "8" {
		t.Errorf("%v %v", got, err)
	}
}

func TestBearerToken(t *testing.T) {
	address := headers("authorization").Start(t)
	token := tracecompletion.WithBearerToken(tracecompletion.StaticToken("secret"))
	if _, err := tracecompletion.New(address, token); err == nil {
		t.Error("a token on a plain connection was accepted")
	}
	client := newClient(t, address, token, tracecompletion.AllowPlainToken())
	got, err := client.Complete(within(t, 5*time.Second), question())
	if err != nil || got.GetDescription() != "Bearer secret" {
		t.Errorf("%v %v", got, err)
	}
}

func TestMutualTLS(t *testing.T) {
	certificate, pool := selfSigned(t)
	server := &tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}
	address := headers("authorization").Start(t, grpc.Creds(credentials.NewTLS(server)))
	known := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{certificate}}
	client := newClient(t, address, tracecompletion.WithTLS(known),
		tracecompletion.WithBearerToken(tracecompletion.StaticToken("secret")))
	got, err := client.Complete(within(t, 5*time.Second), question())
	if err != nil || got.GetDescription() != "Bearer secret" {
		t.Errorf("%v %v", got, err)
	}
	unknown := newClient(t, address,
		tracecompletion.WithTLS(&tls.Config{RootCAs: pool}), tracecompletion.WithoutRetry())
	var fault *tracecompletion.Error
	if _, err := unknown.Complete(within(t, 5*time.Second), question()); !errors.As(err, &fault) ||
		fault.Code != codes.Unavailable {
		t.Errorf("%v", err)
	}
}

// WithTLS(nil) means TLS with defaults, not "no TLS".
func TestTLSWithoutAConfigIsTLS(t *testing.T) {
	plain := newClient(t, headers("authorization").Start(t),
		tracecompletion.WithTLS(nil), tracecompletion.WithoutRetry())
	var fault *tracecompletion.Error
	if _, err := plain.Complete(within(t, 5*time.Second), question()); !errors.As(err, &fault) ||
		fault.Code != codes.Unavailable || !strings.Contains(fault.Message, "tls") {
		t.Errorf("%v", err)
	}
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
