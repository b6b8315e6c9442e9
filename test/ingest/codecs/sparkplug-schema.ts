/** The whole of Sparkplug B's single values, written down apart from the codec: tests speak as another implementation does. */
import protobuf from "protobufjs";

const { root } = protobuf.parse(
  `syntax = "proto2";
  message Payload {
    message DataSet { optional uint64 num_of_columns = 1; repeated string columns = 2; repeated uint32 types = 3; }
    message PropertyValue { optional uint32 type = 1; optional bool is_null = 2; oneof value { uint32 int_value = 3; string string_value = 8; } }
    message PropertySet { repeated string keys = 1; repeated PropertyValue values = 2; }
    message MetaData { optional bool is_multi_part = 1; optional string content_type = 2; }
    message Metric {
      optional string name = 1; optional uint64 alias = 2; optional uint64 timestamp = 3; optional uint32 datatype = 4;
      optional bool is_historical = 5; optional bool is_transient = 6; optional bool is_null = 7;
      optional MetaData metadata = 8; optional PropertySet properties = 9;
      oneof value {
        uint32 int_value = 10; uint64 long_value = 11; float float_value = 12; double double_value = 13;
        bool boolean_value = 14; string string_value = 15; bytes bytes_value = 16; DataSet dataset_value = 17;
      }
    }
    optional uint64 timestamp = 1; repeated Metric metrics = 2; optional uint64 seq = 3; optional string uuid = 4; optional bytes body = 5;
  }`,
  { keepCase: true },
);
const type = root.lookupType("Payload");

export function sparkplugPayload(content: object): Buffer {
  return Buffer.from(type.encode(type.fromObject(content)).finish());
}

export function readSparkplugPayload(bytes: Uint8Array): unknown {
  return type.toObject(type.decode(bytes), { longs: Number });
}
