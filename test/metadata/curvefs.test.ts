/**
 * The CurveFS metadata adapter: the contract, on the sockets of the stand-in cluster. What is true of CurveFS only is in
 * test/metadata/curvefs (the wire) and test/metadata/curvefs/cluster (races, faults, walks).
 */
import { metadataContract } from './contract.ts';
import { CURVEFS_TRAITS, curvefsWorld } from './curvefs-world.ts';

metadataContract('CurveFS', () => curvefsWorld(), CURVEFS_TRAITS);
