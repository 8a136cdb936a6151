export interface GeneratedEvent {
  readonly tool: string
  readonly session: string
  readonly project: string
  readonly success: 0 | 1
  /** `YYYY-MM-DD HH:MM:SS`, UTC. */
  readonly at: string
  readonly id: string
  readonly duration: number
  readonly subagent: string | null
}

export const END: number
export function toolName(rank: number): string
export function projectHash(rank: number): string
export function generateEvents(events: number, seed?: number): Generator<GeneratedEvent>
