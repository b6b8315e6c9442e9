/** What a client asks before it works: what the server can do, and who else there is (nobody). */
import { features, gossip, shared, streamsService } from "./generated.js";

/** The release whose behaviour this follows. Clients choose what to call by the methods below, not by this. */
const SERVER_VERSION = "24.10.0";

type Features = InstanceType<typeof features.SupportedMethods>;
type ClusterInfo = InstanceType<typeof gossip.ClusterInfo>;

/** Only the methods of `Streams` are announced; the clients then refuse the rest by themselves. */
export function supportedMethods(): Features {
  const response = new features.SupportedMethods().setEventStoreServerVersion(SERVER_VERSION);
  for (const { path } of Object.values(streamsService)) {
    const [, service = "", method = ""] = path.split("/");
    response.addMethods(
      new features.SupportedMethod().setServiceName(service.toLowerCase()).setMethodName(method.toLowerCase()),
    );
  }
  return response;
}

/** A cluster of one, reached where the asking client has reached it: no other address is sure to be good for it. */
export function clusterOfOne(instanceId: string, host: string, port: number): ClusterInfo {
  const self = new gossip.MemberInfo()
    .setInstanceId(new shared.UUID().setString(instanceId))
    .setTimeStamp(String(Date.now() * 10_000))
    .setState(gossip.MemberInfo.VNodeState.LEADER)
    .setIsAlive(true)
    .setHttpEndPoint(new gossip.EndPoint().setAddress(host).setPort(port));
  return new gossip.ClusterInfo().setMembersList([self]);
}
