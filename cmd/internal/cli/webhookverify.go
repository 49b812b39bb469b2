package cli

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const webhookVerifyHelp = `Check the signature of a webhook request that comes on stdin as it was received:
headers, an empty line, the body byte for byte. A request line before the headers
is passed over. The exit code is 7 when the signature is not that of the secret.

This is for who debugs a receiver; a receiver does the same (Standard Webhooks):
take HMAC-SHA256 of webhook-id.webhook-timestamp.body under the secret (what
follows whsec_, base64), compare it in constant time with each "v1," signature,
and refuse timestamps more than five minutes off. The body is what came, not what
a JSON library made of it.`

// staleAfter is how far off a receiver lets a timestamp be.
const staleAfter = 5 * time.Minute

func webhookVerify(env Env) *cobra.Command {
	var secretFile string
	cmd := &cobra.Command{
		Use: "verify --secret-file FILE", Short: "Check a request that a webhook sent", Args: arguments(0, 0), Long: webhookVerifyHelp,
		Example: "  confman webhook verify --secret-file hook.secret < request.txt",
	}
	cmd.Flags().StringVar(&secretFile, "secret-file", "", "file that holds the secret, whsec_…")
	cmd.RunE = func(*cobra.Command, []string) error {
		if secretFile == "" {
			return usage(cmd, "say which secret: --secret-file FILE")
		}
		secret, err := readFile(secretFile)
		if err != nil {
			return fmt.Errorf("read the secret: %w", err)
		}
		key, err := webhookKey(string(secret))
		if err != nil {
			return &ExitError{Code: ExitInvalid, Err: fmt.Errorf("%s: %w", secretFile, err)}
		}
		data, err := readAtMost(env.Stdin, maxValueBytes)
		if err != nil {
			return fmt.Errorf("read the request: %w", err)
		}
		request, err := parseDelivered(data)
		if err == nil {
			err = request.verify(key)
		}
		if err != nil {
			return &ExitError{Code: ExitInvalid, Err: err}
		}
		fmt.Fprintf(env.Stderr, "the signature of %s is good\n", visible(request.id))
		if age := time.Since(request.at).Truncate(time.Second); age.Abs() > staleAfter {
			fmt.Fprintf(env.Stderr, "its timestamp is %s, %v off: a receiver refuses it by now\n", when(request.at), age.Abs())
		}
		return nil
	}
	return cmd
}

// webhookKey is the key in a secret, whsec_ and base64.
func webhookKey(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(secret), "whsec_")
	if !ok {
		return nil, errors.New("not the secret of a webhook: it begins with whsec_")
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) == 0 {
		return nil, errors.New("not the secret of a webhook: what follows whsec_ is base64")
	}
	return key, nil
}

// delivered is a webhook's request as it was received.
type delivered struct {
	id, timestamp, signature string
	at                       time.Time
	body                     []byte
}

// parseDelivered reads headers, an empty line and a body.
func parseDelivered(data []byte) (d delivered, err error) {
	if line, rest, ok := bytes.Cut(data, []byte("\n")); ok && bytes.Contains(line, []byte(" HTTP/")) {
		data = rest
	}
	buffered := bytes.NewReader(data)
	reader := textproto.NewReader(bufio.NewReaderSize(buffered, len(data)+16))
	header, err := reader.ReadMIMEHeader()
	if err != nil {
		return d, fmt.Errorf("no request: want headers, an empty line and the body: %w", err)
	}
	d.body = data[len(data)-reader.R.Buffered()-buffered.Len():]
	d.id, d.timestamp, d.signature = header.Get("webhook-id"), header.Get("webhook-timestamp"), header.Get("webhook-signature")
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		if header.Get(name) == "" {
			return d, fmt.Errorf("the request has no header %s", name)
		}
	}
	seconds, err := strconv.ParseInt(d.timestamp, 10, 64)
	if err != nil {
		return d, fmt.Errorf("webhook-timestamp %q is not a number of seconds", visible(d.timestamp))
	}
	d.at = time.Unix(seconds, 0)
	return d, nil
}

// verify reports how a request's signatures differ from the one that the key
// makes; nil: one of them does not.
func (d delivered) verify(key []byte) error {
	if d.signedBy(key, d.body) {
		return nil
	}
	if bare := bytes.TrimRight(d.body, "\r\n"); len(bare) < len(d.body) && d.signedBy(key, bare) {
		return errors.New("the signature is good without the line break at the end of the body: it came in on the way here")
	}
	if !strings.Contains(d.signature, "v1,") {
		return fmt.Errorf("webhook-signature %q has no v1 signature", visible(d.signature))
	}
	return fmt.Errorf("no signature is that of this secret over %s.%s and a body of %s: another secret, or a body that is not what was sent, byte for byte",
		visible(d.id), visible(d.timestamp), counted(len(d.body), "byte"))
}

// signedBy reports whether one of the signatures is that of the key over a body.
func (d delivered) signedBy(key, body []byte) bool {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", d.id, d.timestamp)
	mac.Write(body)
	want := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	good := false
	for _, signature := range strings.Fields(d.signature) {
		good = good || hmac.Equal(want, []byte(signature))
	}
	return good
}
