// Package compression compresses responses with gzip for callers that take it.
//
// A response is compressed when its request names gzip in accept-encoding with
// a weight above zero, its media type is among those listed, its length is told
// and not below the least or is not told, and it is neither encoded already, nor
// a part (206), nor marked no-transform. Then it has content-encoding: gzip,
// vary: accept-encoding, no length, and no strong etag, which would be another
// body's. All other responses go on as they are.
//
// What a caller means by "*", and a response without a media type, is left to
// each form. It knows no other coding, and leaves requests alone.
package compression
