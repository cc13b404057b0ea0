// Package call makes the message of a gRPC call from JSON, so that a generator
// only needs its bytes.
//
// What a method takes is found in a file of descriptors (protoc
// --include_imports --descriptor_set_out) or asked of the server itself, by
// reflection: grpc.reflection.v1, and v1alpha of servers that have no other.
// JSON is protobuf's own mapping; a field that the message does not have is an
// error. It compiles no .proto files and makes no calls under load.
package call
