/**
 * EventStoreDB's messages and services, as generated from its .proto files and shipped inside its client. They are
 * CommonJS, and bring a google-protobuf of their own.
 */
import { createRequire } from "node:module";
import type * as streamsPb from "@eventstore/db-client/generated/streams_pb.js";
import type * as streamsGrpc from "@eventstore/db-client/generated/streams_grpc_pb.js";
import type * as sharedPb from "@eventstore/db-client/generated/shared_pb.js";
import type * as statusPb from "@eventstore/db-client/generated/status_pb.js";
import type * as codePb from "@eventstore/db-client/generated/code_pb.js";
import type * as gossipPb from "@eventstore/db-client/generated/gossip_pb.js";
import type * as gossipGrpc from "@eventstore/db-client/generated/gossip_grpc_pb.js";
import type * as featuresPb from "@eventstore/db-client/generated/serverfeatures_pb.js";
import type * as featuresGrpc from "@eventstore/db-client/generated/serverfeatures_grpc_pb.js";
import type * as emptyPb from "google-protobuf/google/protobuf/empty_pb.js";
import type * as anyPb from "google-protobuf/google/protobuf/any_pb.js";

const require = createRequire(import.meta.url);
const ofClient = createRequire(require.resolve("@eventstore/db-client"));
const load = (name: string): unknown => require(`@eventstore/db-client/generated/${name}.js`);

export type { streamsPb, sharedPb };

export const streams = load("streams_pb") as typeof streamsPb;
export const streamsService = (load("streams_grpc_pb") as typeof streamsGrpc).StreamsService;
export const shared = load("shared_pb") as typeof sharedPb;
export const status = load("status_pb") as typeof statusPb;
export const { Code } = load("code_pb") as typeof codePb;
export const gossip = load("gossip_pb") as typeof gossipPb;
export const gossipService = (load("gossip_grpc_pb") as typeof gossipGrpc).GossipService;
export const features = load("serverfeatures_pb") as typeof featuresPb;
export const featuresService = (load("serverfeatures_grpc_pb") as typeof featuresGrpc).ServerFeaturesService;
export const { Empty: GoogleEmpty } = ofClient("google-protobuf/google/protobuf/empty_pb.js") as typeof emptyPb;
export const { Any } = ofClient("google-protobuf/google/protobuf/any_pb.js") as typeof anyPb;
