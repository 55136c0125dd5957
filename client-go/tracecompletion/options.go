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
	// DefaultTimeout is the timeout of a call whose context has no deadline.
	DefaultTimeout = 30 * time.Second
	// DefaultMaxAnswerBytes is the largest answer that a client accepts, in bytes. A server sends no larger
	// one unless it is configured otherwise.
	DefaultMaxAnswerBytes = 64 << 20

	// keepaliveTime is the time of silence after which a connection with running calls is checked. Servers
	// and load balancers close connections that are checked more often.
	keepaliveTime    = 30 * time.Second
	keepaliveTimeout = 10 * time.Second
	// maxReconnectPause is the longest pause between two tries to connect. A call that waits for a server
	// should notice early that the server is back, and not just before its deadline.
	maxReconnectPause = 3 * time.Second
)

// serviceConfig sets load balancing and retries. gRPC makes each pause a little longer or shorter at random.
// With waitForReady, a call waits for a connection until its deadline.
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

// WithTimeout sets the timeout of calls whose context has no deadline. With 0, such calls have no deadline at
// all. The default is [DefaultTimeout].
func WithTimeout(timeout time.Duration) Option {
	return func(s *settings) { s.timeout = max(timeout, 0) }
}

// WithMaxAnswerBytes sets the largest answer that the client accepts, in bytes. The default is
// [DefaultMaxAnswerBytes].
func WithMaxAnswerBytes(bytes int) Option {
	return func(s *settings) { s.maxAnswerBytes = bytes }
}

// WithoutRetry switches retries off: a call fails at once if the server cannot be reached or is busy. Use it if
// you have retries of your own.
func WithoutRetry() Option {
	return func(s *settings) { s.retry = false }
}

// WithTLS encrypts connections with TLS. A config with certificates also proves the identity of the client to
// the server (mutual TLS). With nil, the system must trust the certificate of the server. Without this option
// connections are not encrypted: that is for a trusted network, or for a service mesh that encrypts them.
func WithTLS(config *tls.Config) Option {
	if config == nil {
		config = &tls.Config{}
	}
	return func(s *settings) { s.tls = config.Clone() }
}

// TokenSource returns the bearer token of a call. It is called before every call, and several goroutines may
// call it at the same time, so cache a token that is slow to get.
type TokenSource func(ctx context.Context) (string, error)

// StaticToken makes a source that always returns the same token.
func StaticToken(token string) TokenSource {
	return func(context.Context) (string, error) { return token, nil }
}

// WithBearerToken sends a token with every call. It needs [WithTLS] or [AllowPlainToken].
func WithBearerToken(source TokenSource) Option {
	return func(s *settings) { s.token = source }
}

// AllowPlainToken allows to send a token without TLS. Use it only if a service mesh encrypts the connections.
func AllowPlainToken() Option {
	return func(s *settings) { s.plainToken = true }
}

// WithOrganisation sends the id of an organisation in the header x-org-id. A context that already has this
// header keeps its own.
func WithOrganisation(id string) Option {
	return func(s *settings) { s.organisation = id }
}

// WithDialOptions adds options of gRPC, such as interceptors and stats handlers. They come after the options of
// the client itself. To send the current trace with each call, use Propagate of the module otelselect. It is a
// module of its own, so that this one does not depend on OpenTelemetry.
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

// bearer adds a token to each call.
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
