/**
 * CurveFS messages as tables: who leads a copyset. The same as curvefs/proto/cli2.proto says; a test
 * compares the two. Names are the wire's own, which is why some break the house style. Only what is used; no behaviour.
 */
import { message, optional, required } from './codec.ts';
import { Peer } from './common.ts';
import { method } from './method.ts';
import { uint32 } from './values.ts';

export const GetLeaderRequest2 = message('curvefs.metaserver.copyset.GetLeaderRequest2', {
  poolId: required(1, uint32),
  copysetId: required(2, uint32),
  peer: optional(3, Peer),
});

export const GetLeaderResponse2 = message('curvefs.metaserver.copyset.GetLeaderResponse2', {
  leader: required(1, Peer),
});

const CliService2 = 'curvefs.metaserver.copyset.CliService2';
export const getLeader = method(CliService2, 'GetLeader', { request: GetLeaderRequest2, response: GetLeaderResponse2 });
