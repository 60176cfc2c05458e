// ApiVersions: what this broker serves (KIP-35), and the features that clients read off it (KIP-584).

import type { apiVersions } from '../../../protocol/apis/api-versions.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import type { RequestContext } from '../services.ts';

type Request = RequestOf<typeof apiVersions>;
type Response = ResponseOf<typeof apiVersions>;

// Kafka's pattern for a client's software name and version (KIP-511, ApiVersionsRequest.isValid).
const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

/** @param advertised every API that is served, with its versions */
export function handleApiVersions(
  request: Request,
  context: RequestContext,
  advertised: Response['apiKeys'],
): Response {
  if (
    context.apiVersion >= 3 &&
    !(SOFTWARE.test(request.clientSoftwareName) && SOFTWARE.test(request.clientSoftwareVersion))
  ) {
    return { errorCode: ErrorCode.INVALID_REQUEST, apiKeys: [] };
  }
  return { errorCode: ErrorCode.NONE, apiKeys: advertised, finalizedFeaturesEpoch: 0n };
}
