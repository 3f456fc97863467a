/** What a server that draws revocations out says where it pauses. */
export const revokingMark = 'revoking, not committed'
export const revokedMark = 'revoked, not answered'
/** For how long. */
export const drawnOutMs = 80
