import { expect, test } from 'vitest'
import { isLiteral, normaliseHost, refusal } from './address.ts'

test.each([
  ['Example.COM', 'example.com'],
  ['example.com.', 'example.com'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['2130706433', '127.0.0.1'],
  ['0x7f.1', '127.0.0.1'],
  ['0177.0.0.1', '127.0.0.1'],
  ['127.1', '127.0.0.1'],
  ['127.0.0.1.', '127.0.0.1'],
  ['[::1]', '::1'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['::ffff:127.0.0.1', '::ffff:7f00:1'],
  ['１２７.0.0.1', '127.0.0.1'],
  ['', null],
  ['a b', null],
  ['user@host', null],
  ['host/path', null],
  ['host:80', null],
  ['a\\b', null],
])('host %s is %s', (raw, normal) => {
  expect(normaliseHost(raw)).toBe(normal)
})

test('a name is no literal, an address is', () => {
  expect([isLiteral('example.com'), isLiteral('10.0.0.1'), isLiteral('::1')]).toEqual([false, true, true])
})

const ADDRESSES: readonly [string, boolean, boolean, boolean][] = [
  // address, public host, private name, private literal
  ['93.184.216.34', true, true, true],
  ['2606:2800:220:1:248:1893:25c8:1946', true, true, true],
  ['127.0.0.1', false, true, true],
  ['127.255.255.254', false, true, true],
  ['10.1.2.3', false, true, true],
  ['172.16.0.1', false, true, true],
  ['172.31.255.255', false, true, true],
  ['192.168.1.1', false, true, true],
  ['100.64.0.1', false, true, true],
  ['169.254.1.1', false, true, true],
  ['169.254.169.254', false, false, true],
  ['100.100.100.200', false, false, true],
  ['168.63.129.16', false, false, true],
  ['192.0.0.192', false, false, true],
  ['fd00:ec2::254', false, false, true],
  ['0.0.0.0', false, false, false],
  ['0.1.2.3', false, false, false],
  ['224.0.0.1', false, false, false],
  ['255.255.255.255', false, false, false],
  ['240.0.0.1', false, false, true],
  ['192.0.2.1', false, false, true],
  ['198.18.0.1', false, false, true],
  ['::', false, false, false],
  ['::1', false, true, true],
  ['fe80::1', false, true, true],
  ['fe80::1%eth0', false, true, true],
  ['fec0::1', false, false, true],
  ['fc00::1', false, true, true],
  ['fd12:3456::1', false, true, true],
  ['ff02::1', false, false, false],
  ['::ffff:127.0.0.1', false, false, true],
  ['::ffff:93.184.216.34', false, false, true],
  ['::127.0.0.1', false, false, true],
  ['64:ff9b::7f00:1', false, false, true],
  ['64:ff9b:1::a00:1', false, false, true],
  ['2002:7f00:1::', false, false, true],
  ['2001:0:4136:e378:8000:63bf:3fff:fdd2', false, false, true],
  ['2a00:1450:4001:0:0:5efe:7f00:1', false, false, true],
  ['2001:db8::1', false, false, true],
  ['4000::1', false, false, true],
  ['not an address', false, false, false],
]

test.each(ADDRESSES)('%s: public %s, private name %s, private literal %s', (address, asPublic, asName, asLiteral) => {
  const open = (['public', 'private-name', 'private-literal'] as const).map((trust) => refusal(address, trust) === null)
  expect(open).toEqual([asPublic, asName, asLiteral])
})
