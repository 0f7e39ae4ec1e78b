package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	defaultBootstrap = "localhost:9092"
	defaultPort      = "9092"
	dialTimeout      = 5 * time.Second
	// pingTimeout bounds the first answer, adminTimeout a whole question.
	pingTimeout  = 10 * time.Second
	adminTimeout = 20 * time.Second
)

// seeds are the addresses of --bootstrap, each with a port.
func (c *CLI) seeds() []string {
	var seeds []string
	for s := range strings.SplitSeq(c.opts.bootstrap, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(s); err != nil {
			s = net.JoinHostPort(strings.Trim(s, "[]"), defaultPort)
		}
		seeds = append(seeds, s)
	}
	return seeds
}

// connect is a client that has had one answer from the cluster, or an error
// that says what stands in the way.
func (c *CLI) connect(ctx context.Context, opts ...kgo.Opt) (*kgo.Client, error) {
	seeds := c.seeds()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.ClientID("strom"),
		kgo.SeedBrokers(seeds...),
		kgo.Dialer(c.dialer(seeds).Dial),
		kgo.DisableClientMetrics(),
	}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("set up the client: %w", err)
	}
	ping, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := client.Ping(ping); err != nil {
		client.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, unreachable(c.opts.bootstrap, err)
	}
	return client, nil
}

// A cluster is asked with kadm's questions, and with raw requests where kadm has
// none.
type cluster struct {
	*kadm.Client
	raw *kgo.Client
}

func newCluster(client *kgo.Client) *cluster { return &cluster{kadm.NewClient(client), client} }

// serves reports whether the cluster answers a kind of request.
func (k *cluster) serves(ctx context.Context, key kmsg.Key) (bool, error) {
	resp, err := k.versions(ctx)
	return err == nil && knows(resp, key), err
}

// versions are the requests that the cluster answers and the levels of its
// features.
func (k *cluster) versions(ctx context.Context) (*kmsg.ApiVersionsResponse, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "strom", "1"
	resp, err := req.RequestWith(ctx, k.raw)
	if err != nil {
		return nil, fmt.Errorf("ask for the versions of requests: %w", err)
	}
	return resp, nil
}

func knows(v *kmsg.ApiVersionsResponse, key kmsg.Key) bool {
	return slices.ContainsFunc(v.ApiKeys, func(a kmsg.ApiVersionsResponseApiKey) bool { return a.ApiKey == key.Int16() })
}

// admin connects, hands f the client with a bound on its time, and closes.
func (c *CLI) admin(ctx context.Context, f func(context.Context, *cluster) error) error {
	client, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	bounded, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	err = f(bounded, newCluster(client))
	if errors.Is(err, context.DeadlineExceeded) {
		return fail(err, "%s did not answer within %s", c.opts.bootstrap, adminTimeout)
	}
	return err
}

// unreachable explains why the first connection failed.
func unreachable(bootstrap string, err error) error {
	var dns *net.DNSError
	var first *kgo.ErrFirstReadEOF
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail(err, "no broker answers at %s (connection refused)", bootstrap).
			withFix("Is one running? Start one with `strom start`, or name another with -b HOST:PORT.")
	case errors.As(err, &dns):
		return fail(err, "no broker answers at %s (there is no host %s)", bootstrap, dns.Name).
			withFix("Check the name given with -b or STROM_BOOTSTRAP.")
	case strings.Contains(err.Error(), "tls alert"), errors.As(err, &first), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return fail(err, "%s closes the connection instead of answering", bootstrap).
			withFix("This looks like a listener for TLS (SSL, SASL_SSL), one that wants a login, or a controller's.\nName a broker's PLAINTEXT listener with -b HOST:PORT.")
	case strings.Contains(err.Error(), "HTTP"):
		return fail(err, "%s speaks HTTP, not Kafka's protocol", bootstrap).
			withFix("Name the port of a broker with -b HOST:PORT; it is usually 9092.")
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return fail(err, "no broker answers at %s (it stays silent)", bootstrap).
			withFix("Something may be in between, such as a firewall; or it is the port of a controller or of another program.")
	}
	return fail(err, "no broker answers at %s (%s)", bootstrap, reason(err)).
		withFix("Is it a Kafka broker? Name another with -b HOST:PORT.")
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func isNetwork(err error) bool {
	var n net.Error
	return errors.As(err, &n) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// reason is the innermost of a network error, without the addresses in it.
func reason(err error) string {
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &dns):
		return "there is no host " + dns.Name
	case isTimeout(err):
		return "no answer"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}

// refused explains a protocol error about something: subject is the beginning of
// a sentence, such as `cannot create topic "a"`.
func refused(subject string, err error, message string) *failure {
	var k *kerr.Error
	if !errors.As(err, &k) {
		return fail(err, "%s: %v", subject, err)
	}
	if message == "" {
		message = k.Description
	}
	return fail(err, "%s: %s (%s)", subject, strings.TrimRight(message, ". "), k.Message)
}
