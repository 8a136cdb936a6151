import type { TransferredEvent, TransferredTool } from "./StoreTransfer.ts"
import { extractServerName, inferScope, inferToolType } from "./ToolName.ts"

/** The tool that an event makes known where nothing else is said of it. */
export const inferredTool = (event: TransferredEvent): TransferredTool => ({
  name: event.tool_name,
  tool_type: inferToolType(event.tool_name),
  scope: inferScope(event.tool_name),
  source: event.source ?? "import",
  project_hash: event.project_hash,
  description: null,
  server_name: event.server_name ?? extractServerName(event.tool_name),
  discovered_at: event.created_at,
  updated_at: event.created_at,
})
