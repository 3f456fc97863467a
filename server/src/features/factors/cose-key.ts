/** A passkey's public key in COSE (RFC 9053 §7), as the JWK that the gate reads. Undefined for a kind that is not accepted. */
export function jwkOfCose(cose: ReadonlyMap<number, unknown>): Record<string, unknown> | undefined {
  const { keyType, curve, x, y, modulus, exponent } = labels
  const text = (label: number) => textOf(cose.get(label))
  switch (cose.get(keyType)) {
    case 1:
      return cose.get(curve) === 6 ? { kty: 'OKP', crv: 'Ed25519', x: text(x) } : undefined
    case 2:
      return cose.get(curve) === 1 ? { kty: 'EC', crv: 'P-256', x: text(x), y: text(y) } : undefined
    case 3:
      return { kty: 'RSA', n: text(modulus), e: text(exponent) }
    default:
      return undefined
  }
}

/** RFC 9053 §7.1, RFC 8230 §4: the same label means another member for RSA. */
const labels = { keyType: 1, curve: -1, x: -2, y: -3, modulus: -1, exponent: -2 } as const

function textOf(member: unknown): string | undefined {
  return member instanceof Uint8Array ? Buffer.from(member).toString('base64url') : undefined
}
