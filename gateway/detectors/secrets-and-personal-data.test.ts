import { describe, expect, test } from 'vitest'
import type { Finding } from '../ports/detector.ts'
import { createDetectors } from './detectors.ts'

const [secrets] = createDetectors()
const findings = (...texts: string[]): Finding[] => [...(secrets?.scan(texts) ?? [])].sort()

/** Made from parts, so that no file of this repository holds what looks like a secret. */
const made = (...parts: string[]): string => parts.join('')
const base64 = (text: string): string => Buffer.from(text).toString('base64')

describe('credentials', () => {
  test.each<[string, string]>([
    ['a GitHub token', made('gh', 'p_', 'a1B2'.repeat(9))],
    ['a GitHub token in a sentence', `push it with ${made('gh', 'p_', 'a1B2'.repeat(9))}, please`],
    ['a fine-grained GitHub token', made('github', '_pat_', 'a1'.repeat(41))],
    ['a GitLab token', made('gl', 'pat-', 'a1B2c3D4e5F6g7H8i9J0')],
    ['a Slack token', made('xo', 'xb-', '123456789012-123456789012-', 'a1B2c3D4e5F6g7H8i9J0k1L2')],
    ['a Slack webhook', made('https://hooks.', 'slack.com/services/', 'T0001/B0001/abcdEFGH')],
    ['a Stripe key', made('sk', '_live_', 'a1B2c3D4e5F6g7H8i9J0k1L2')],
    ['a SendGrid key', made('SG', '.aaaaaaaaaaaaaaaaaaaaaa.', 'b1'.repeat(21), 'c')],
    ['an npm token', made('np', 'm_', 'a1B2'.repeat(9))],
    ['an AWS access key id', made('AK', 'IA', 'IOSFODNN7EXAMPL2')],
    ['an AWS secret key', made('aws_secret', '_access_key = ', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY')],
    ['a Google key', made('AI', 'za', 'SyA-1234567890abcdefghijklmnopqrstu')],
    ['an Anthropic key', made('sk-', 'ant-api03-', 'a1'.repeat(46), 'bAA')],
    ['an OpenAI key', made('sk-', 'a1B2c3D4e5F6g7H8i9J0', 'T3Blbk', 'FJ', 'a1B2c3D4e5F6g7H8i9J0')],
    ['a private key', made('-----BEGIN ', 'RSA PRIVATE KEY-----\n', 'MIIEpAIBAAKCAQEA'.repeat(10), '\n-----END RSA PRIVATE KEY-----')],
    ['a cut-off private key', made('-----BEGIN ', 'OPENSSH PRIVATE KEY-----\nb3BlbnNz')],
    ['a JSON Web Token', `${base64('{"alg":"none"}').replace(/=/g, '')}.${base64('{"sub":"x","iat":1}').replace(/=/g, '')}.c2lnbmF0dXJl`],
    ['a bearer header', 'curl -H "Authorization: Bearer 8f14e45fceea167a5a36dedd4bea2543"'],
    ['a database address', made('postgres://', 'app:', 'Zk4mP9wQ', '@db.internal:5432/erp')],
    ['basic authentication in an address', made('https://', 'deploy:', 'Zk4mP9wQr', '@build.acme.example/x')],
    ['a password in a letter', 'Ihr neues Passwort: Sommer2026!'],
    ['a password in a sentence', 'the password is Tr0ub4dor&3, change it'],
    ['a password in a file', 'DB_PASSWORD=q9X7vB2m'],
    ['a password in JSON', '{"password": "q9X7vB2m"}'],
    ['a key that is base64', base64(`token ${made('gh', 'p_', 'a1B2'.repeat(9))} do not lose it`)],
    ['a token with invisible characters inside', made('gh', 'p_', 'a1B2'.repeat(4), '\u200b', 'a1B2'.repeat(5))],
    ['a token in full-width letters', made('ｇｈ', 'p_', 'a1B2'.repeat(9))],
    ['a comment that would silence the scanner', `secretlint-disable\n${made('gh', 'p_', 'a1B2'.repeat(9))}`],
  ])('%s', (_title, text) => expect(findings(text)).toContain('credential'))

  test.each<[string, string]>([
    ['a reset mail', 'Please reset your password. Passwords need at least 12 characters.'],
    ['a field in a form', 'Password: required'],
    ['a placeholder', 'password: $' + '{DB_PASSWORD} and api_key=<your key> and secret: ****'],
    ['code', 'const password = request.body.password\nconst apiKey = process.env.API_KEY'],
    ['more code', 'const secret = unescape(text.slice(1)); const key = { password: /^[a-z]{1,9}$/ }; pwd = this.#a.b2'],
    ['bearer in prose', 'the bearer responsibilities of the carrier'],
    ['a digest', 'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
    ['an id', 'order 4f9d2c1e-7b1a-4d5e-9a3c-1f2e3d4c5b6a'],
    ['a public key', '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE'],
    ['a path', '/usr/local/lib/node_modules/@scope/package/dist/index.js'],
    ['a policy', 'Secret key management: keys rotate every 90 days.'],
  ])('no: %s', (_title, text) => expect(findings(text)).not.toContain('credential'))
})

describe('payment cards', () => {
  test.each<[string, string]>([
    ['Visa', 'charge 4111 1111 1111 1111, thank you'],
    ['without blanks', '4111111111111111'],
    ['Mastercard with dashes', '5555-5555-5555-4444'],
    ['American Express', '3782 822463 10005'],
    ['in a sentence, with a full stop', 'My card is 4012888888881881.'],
    ['Arabic digits', '٤١١١ ١١١١ ١١١١ ١١١١'],
    ['full-width digits', '４１１１１１１１１１１１１１１１'],
    ['invisible characters inside', '4111\u200b1111\u200b1111\u200b1111'],
  ])('%s', (_title, text) => expect(findings(text)).toContain('payment-card'))

  test.each<[string, string]>([
    ['a wrong check digit', '4111 1111 1111 1112'],
    ['no scheme of cards', '1234 5678 9012 3452'],
    ['part of a longer number', '94111111111111111123'],
    ['a decimal', '0.4111111111111111'],
    ['an id of letters and digits', 'x4111111111111111'],
    ['a telephone number', '+49 30 901820'],
    ['figures of a table', '4111 11 1111 11 1111 11'],
    ['milliseconds', '1764000000000'],
  ])('no: %s', (_title, text) => expect(findings(text)).not.toContain('payment-card'))
})

describe('personal data', () => {
  test.each<[string, string]>([
    ['a mail address', 'write to Maria.Lopez+hr@example.com, please'],
    ['a mail address in brackets', 'Maria <maria@acme.example>'],
    ['a mail address in a query', 'https://acme.example/unsubscribe?list=news&mail=maria@acme.example'],
    ['a mail address after its word', 'mailto:maria@acme.example'],
    ['an international mail address', 'jürgen@müller.de'],
    ['a mail address at the end', 'send it to paul@acme.example.'],
    ['an entity in an address', 'maria&#64;acme.example'],
    ['an international telephone number', 'call +49 30 901820'],
    ['one with 00', 'Telefon 0049 (0)30 901820'],
    ['one with an area code in brackets', 'call (212) 555-2368 today'],
    ['one after its word', 'Tel.: 030 / 90 18 20'],
    ['one after its word in French', 'téléphone 01 42 68 53 00'],
    ['an IBAN', 'pay to DE89 3704 0044 0532 0130 00'],
    ['an IBAN in an invoice', 'Bankverbindung: IBAN GB82WEST12345698765432 BIC DEUTDEFF, Zahlung binnen 14 Tagen'],
    ['an IBAN in small letters', 'fr1420041010050500013m02606'],
    ['a US number', 'SSN 536-90-4399'],
    ['a British number', 'NI number JG 12 13 16 A'],
    ['an Italian number', 'codice fiscale RCCMNL83S18D969H'],
    ['a Spanish number', 'DNI 54362315K'],
    ['a Spanish number of a foreigner', 'NIE X2482300W'],
    ['a Finnish number', '131052-308T'],
    ['a French number', '2 95 10 99 126 111 93'],
    ['a Swiss number', '756.9217.0769.85'],
    ['a Brazilian number', '390.533.447-05'],
    ['a Chinese number', '360426199101010071'],
    ['a Swedish number', '880320-0016'],
    ['a Danish number', '211062-5629'],
    ['a German number', 'Steuer-ID 36 574 261 809'],
    ['a Norwegian number', '151086 95088'],
    ['a Polish number after its name', 'PESEL: 44051401359'],
    ['a Dutch number after its name', 'BSN 111222333'],
    ['a Turkish number after its name', 'TCKN 17291716060'],
    ['a Canadian number after its name', 'SIN 123-456-782'],
    ['in a JSON text with escapes', '{"note":"maria\\u0040acme.example"}'],
  ])('%s', (_title, text) => expect(findings(text)).toContain('personal-data'))

  test.each<[string, string]>([
    ['a handle', 'thanks @maria and @raj'],
    ['a package', 'npm i @scope/package@1.2.3'],
    ['a repository', 'git clone git@github.com:acme/erp.git'],
    ['a name in an address', 'https://listed.example@other.example/ and https://user:secret@listed.example/'],
    ['an order number', 'order 4500012345, position 10, 12 pieces at 1.250,00 EUR'],
    ['a date and a time', '2026-11-23 12:30:00, KW 48'],
    ['an invoice number', 'RE-2026-004711 of 23.11.2026'],
    ['a version', 'v24.21.0 (build 20261123)'],
    ['a wrong IBAN', 'DE89 3704 0044 0532 0130 01'],
    ['a part number', 'AB12CD34EF56GH78'],
    ['a US number that nobody has', '000-12-3456'],
    ['milliseconds', '{"at":1764000000000,"took":12345}'],
    ['coordinates', '52.520008, 13.404954'],
    ['an address of a machine', '192.168.100.200'],
    ['eleven digits', 'material 12345678901'],
  ])('no: %s', (_title, text) => expect(findings(text)).not.toContain('personal-data'))
})

describe('links', () => {
  test.each<[string, string]>([
    ['a URL', 'see https://acme.example/x'],
    ['a URL in Markdown', '[the form](http://forms.acme.example)'],
    ['made harmless', 'hxxps://evil.example/x'],
    ['made harmless with brackets', 'evil[.]com/login'],
    ['written out', 'evil(dot)com/login'],
    ['a colon in brackets', 'http[:]//evil.com'],
    ['with www', 'on www.acme.com you find more'],
    ['a host with a path', 'open evil.com/login now'],
    ['a host with a port and a query', 'evil.io:8080?x=1'],
    ['without a scheme', '<img src=//evil.com>'],
    ['an address without a name', 'http://10.0.0.1/x'],
    ['a script', 'javascript:alert(1)'],
    ['a page in an address', 'data:text/html;base64,PGI+'],
    ['full-width letters', 'ｈｔｔｐｓ://evil.com'],
    ['entities', 'http&#58;&#47;&#47;evil.com'],
  ])('%s', (_title, text) => expect(findings(text)).toContain('link'))

  test.each<[string, string]>([
    ['a bare domain', 'the supplier acme.com delivers'],
    ['a mail address', 'maria@acme.com'],
    ['a file', 'src/main.ts and docs/read.txt'],
    ['numbers', '1.250,00 EUR and 3.5/4'],
    ['and/or', 'yes/no, and/or, 24/7'],
    ['a sentence without a blank', 'done.Next step'],
    ['a ratio', 'ratio 16:9, see note: later'],
    ['Java', 'com.acme.erp.Payment'],
  ])('no: %s', (_title, text) => expect(findings(text)).not.toContain('link'))
})
