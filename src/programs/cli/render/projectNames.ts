import type { Project } from "../../../domain/Project.ts"

/** How reports call the project of a hash: by its folder's name, where two share that by the path, else by the hash. */
export const projectNames = (projects: ReadonlyMap<string, Project>): ((hash: string) => string) => {
  const roots = new Map<string, number>()
  for (const { name } of projects.values()) roots.set(name, (roots.get(name) ?? 0) + 1)
  return (hash) => {
    const project = projects.get(hash)
    if (project === undefined) return hash
    return roots.get(project.name) === 1 ? project.name : project.root
  }
}
