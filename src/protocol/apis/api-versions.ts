// ApiVersions (18): which APIs and versions this broker serves, and the cluster features (KIP-35, KIP-511, KIP-584).
// A client may ask in a version that is not served; it is then answered in version 0 with UNSUPPORTED_VERSION and the
// list, so that it can ask again. The response header has version 0 whatever the version, for the same reason.

import { array, bool, defineApi, int16, int32, int64, string } from '../schema/define.ts';

export const apiVersions = defineApi({
  key: 18,
  name: 'ApiVersions',
  versions: '0-4',
  flexible: '3+',
  request: {
    clientSoftwareName: string('3+', { ignorable: true }),
    clientSoftwareVersion: string('3+', { ignorable: true }),
  },
  response: {
    errorCode: int16('0+'),
    apiKeys: array('0+', {
      apiKey: int16('0+'),
      minVersion: int16('0+'),
      maxVersion: int16('0+'),
    }),
    throttleTimeMs: int32('1+', { ignorable: true }),
    supportedFeatures: array(
      '3+',
      {
        name: string('3+'),
        minVersion: int16('3+'),
        maxVersion: int16('3+'),
      },
      { ignorable: true, tag: 0 },
    ),
    finalizedFeaturesEpoch: int64('3+', { default: -1n, ignorable: true, tag: 1 }),
    finalizedFeatures: array(
      '3+',
      {
        name: string('3+'),
        maxVersionLevel: int16('3+'),
        minVersionLevel: int16('3+'),
      },
      { ignorable: true, tag: 2 },
    ),
    zkMigrationReady: bool('3+', { default: false, ignorable: true, tag: 3 }),
  },
});
