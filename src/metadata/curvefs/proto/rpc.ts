/**
 * The meta data of a baidu_std frame as tables: what precedes every request and reply. The same as brpc/baidu_rpc_meta.proto
 * says; a test compares the two. Only what is used: no streams, no authentication. No behaviour.
 */
import { type MessageOf, message, optional, required } from './codec.ts';
import { int32, int64, string } from './values.ts';

export const RpcRequestMeta = message('brpc.policy.RpcRequestMeta', {
  service_name: required(1, string),
  method_name: required(2, string),
  log_id: optional(3, int64),
});

export const RpcResponseMeta = message('brpc.policy.RpcResponseMeta', {
  error_code: optional(1, int32),
  error_text: optional(2, string),
});

export const RpcMeta = message('brpc.policy.RpcMeta', {
  request: optional(1, RpcRequestMeta),
  response: optional(2, RpcResponseMeta),
  compress_type: optional(3, int32),
  correlation_id: optional(4, int64),
  attachment_size: optional(5, int32),
});
export type RpcMeta = MessageOf<typeof RpcMeta>;
