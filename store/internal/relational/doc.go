// Package relational is what the backends that speak SQL share: how the parts of
// a session become columns, which range of an index a query reads, the hashes by
// which an inbox knows its events, and the tokens of their claims.
//
// Instants are columns of whole milliseconds since 1970 in UTC; one that is not
// known is [ZeroMilli], which sorts before all others. Dates are numbers such as
// 20260314, which compare as dates do. Payloads go through an [envelope.Codec],
// bound to the column and the row.
package relational
