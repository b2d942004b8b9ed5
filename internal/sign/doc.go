// Package sign makes and compares the signatures of webhooks. It knows the two
// schemes and the headers that bear them:
//
//   - [Hex], the documents' scheme: lower-case hex HMAC-SHA256 of the body, keyed
//     with the secret's bytes as they are.
//   - [Standard], the Standard Webhooks scheme: "v1," and the base64 HMAC-SHA256 of
//     "id.timestamp.body", keyed with what the secret is in base64, after an
//     optional whsec_ ([StandardKey]).
//
// [Sender] makes the headers of a delivery. [MAC] computes either without allocating once
// it is warm, for whoever verifies thousands a second.
//
// It fails only on a secret that cannot be one; no error quotes the secret.
package sign
