package tracecompletion

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	// DefaultTimeout is the deadline of a call whose context has none.
	DefaultTimeout = 30 * time.Second
	// DefaultMaxAnswerBytes is the largest message that a client takes: the most that a server sends, unless
	// it is configured otherwise.
	DefaultMaxAnswerBytes = 64 << 20

	// keepaliveTime is the silence on a connection with calls after which it is tried. Servers and
	// balancers take a client that tries more often for an attacker.
	keepaliveTime    = 30 * time.Second
	keepaliveTimeout = 10 * time.Second
	// maxReconnectPause bounds the pause between two tries to connect: a server that is back should be
	// noticed well within the deadline of a call that waits for it.
	maxReconnectPause = 3 * time.Second
)

// serviceConfig sets the balancing and the retries. gRPC puts a jitter on each pause. A call that is not
// answered at all waits for a connection up to its deadline.
const serviceConfig = `{
	"loadBalancingConfig": [{"round_robin": {}}],
	"methodConfig": [{
		"name": [{"service": "tracecompletion.v1.TraceCompletionService"}],
		"waitForReady": true,
		"retryPolicy": {
			"maxAttempts": 5,
			"initialBackoff": "0.1s",
			"maxBackoff": "2s",
			"backoffMultiplier": 2,
			"retryableStatusCodes": ["UNAVAILABLE"]
		}
	}]
}`

const serviceConfigWithoutRetry = `{"loadBalancingConfig": [{"round_robin": {}}]}`

// Option changes how a [Client] works.
type Option func(*settings)

type settings struct {
	timeout        time.Duration
	maxAnswerBytes int
	retry          bool
	tls            *tls.Config
	token          TokenSource
	plainToken     bool
	organisation   string
	dial           []grpc.DialOption
}

func defaults() settings {
	return settings{timeout: DefaultTimeout, maxAnswerBytes: DefaultMaxAnswerBytes, retry: true}
}

// WithTimeout sets the deadline of calls whose context has none; 0 stands for none at all. The default is
// [DefaultTimeout].
func WithTimeout(timeout time.Duration) Option {
	return func(s *settings) { s.timeout = max(timeout, 0) }
}

// WithMaxAnswerBytes sets the largest message that the client takes, in bytes. The default is
// [DefaultMaxAnswerBytes].
func WithMaxAnswerBytes(bytes int) Option {
	return func(s *settings) { s.maxAnswerBytes = bytes }
}

// WithoutRetry makes a call fail at once where the server cannot be reached or is busy. For callers with
// retries of their own.
func WithoutRetry() Option {
	return func(s *settings) { s.retry = false }
}

// WithTLS encrypts connections. A config with certificates identifies the client too (mutual TLS), and nil
// stands for the defaults: the server's certificate must be one that the system trusts. Without this option
// connections are plain, for a mesh that encrypts them, or a trusted network.
func WithTLS(config *tls.Config) Option {
	if config == nil {
		config = &tls.Config{}
	}
	return func(s *settings) { s.tls = config.Clone() }
}

// TokenSource gives the bearer token of a call. It is asked before every call, and may be asked by several
// goroutines at once: cache what is slow to get.
type TokenSource func(ctx context.Context) (string, error)

// StaticToken is a token that never changes.
func StaticToken(token string) TokenSource {
	return func(context.Context) (string, error) { return token, nil }
}

// WithBearerToken sends a token with every call. It needs [WithTLS], or [AllowPlainToken].
func WithBearerToken(source TokenSource) Option {
	return func(s *settings) { s.token = source }
}

// AllowPlainToken allows a token on a connection without TLS, for a mesh that encrypts below the client.
func AllowPlainToken() Option {
	return func(s *settings) { s.plainToken = true }
}

// WithOrganisation names the organisation whose flow log is asked, in the header x-org-id. A context that
// has this header already keeps it.
func WithOrganisation(id string) Option {
	return func(s *settings) { s.organisation = id }
}

// WithDialOptions adds options of gRPC, after the client's own, such as interceptors and stats handlers. The
// current trace is sent along with each call by Propagate of the module otelselect, which is apart so that
// this one does not depend on OpenTelemetry.
func WithDialOptions(opts ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, opts...) }
}

func (s *settings) dialOptions() ([]grpc.DialOption, error) {
	transport := insecure.NewCredentials()
	if s.tls != nil {
		transport = credentials.NewTLS(s.tls)
	}
	reconnect := backoff.DefaultConfig
	reconnect.BaseDelay = 200 * time.Millisecond
	reconnect.MaxDelay = maxReconnectPause
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(s.maxAnswerBytes)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: 5 * time.Second}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
	}
	if s.token != nil {
		if s.tls == nil && !s.plainToken {
			return nil, errors.New("a bearer token needs TLS (WithTLS), or AllowPlainToken")
		}
		options = append(options, grpc.WithPerRPCCredentials(bearer{source: s.token, secure: s.tls != nil}))
	}
	if s.retry {
		options = append(options,
			grpc.WithDefaultServiceConfig(serviceConfig), grpc.WithChainUnaryInterceptor(retryBusyCall))
	} else {
		options = append(options,
			grpc.WithDefaultServiceConfig(serviceConfigWithoutRetry), grpc.WithDisableRetry())
	}
	return append(options, s.dial...), nil
}

// bearer puts a token on each call.
type bearer struct {
	source TokenSource
	secure bool
}

// GetRequestMetadata gives the header of one call.
func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b.source(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity keeps gRPC from sending the token on a connection without TLS.
func (b bearer) RequireTransportSecurity() bool {
	return b.secure
}
