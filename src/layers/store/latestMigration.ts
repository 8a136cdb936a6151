/** The schema version that this program reads and writes: the number of the newest migration. */
export const latestMigration = 31
