package webhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"confman/events"
)

// Headers of a delivery, as the Standard Webhooks specification 1.0.0 names them.
const (
	HeaderID        = "Webhook-Id"        // the event's ID, the same in every attempt
	HeaderTimestamp = "Webhook-Timestamp" // Unix seconds of the attempt
	HeaderSignature = "Webhook-Signature" // one "v1,BASE64" for each live secret, separated by spaces
)

// sign is the signature header for a body: one signature for each secret that
// is live at the time. Errors name no secret.
func sign(secrets []events.WebhookSecret, id string, at time.Time, body []byte) (string, error) {
	var signatures []string
	for _, s := range secrets {
		if !s.Until.IsZero() && !at.Before(s.Until) {
			continue
		}
		one, err := signature(s.Secret, id, at, body)
		if err != nil {
			return "", err
		}
		signatures = append(signatures, one)
	}
	if len(signatures) == 0 {
		return "", errors.New("the webhook has no live secret; rotate it")
	}
	return strings.Join(signatures, " "), nil
}

// signature is HMAC-SHA256 over "ID.SECONDS.BODY".
func signature(secret, id string, at time.Time, body []byte) (string, error) {
	key, err := events.WebhookKey(secret)
	if err != nil {
		return "", fmt.Errorf("a secret of the webhook is of no use, rotate it: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}
