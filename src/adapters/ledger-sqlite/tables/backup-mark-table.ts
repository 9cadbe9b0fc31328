export const BACKUP_MARK = {
  put: `
    INSERT INTO backup_mark (id, sequence, made_at_us) VALUES (1, @sequence, @madeAt)
    ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, made_at_us = excluded.made_at_us`,
  /** There where this ledger is a copy and no epoch began since. */
  unaccepted: `
    SELECT b.sequence, b.made_at_us AS madeAt FROM backup_mark AS b
     WHERE NOT EXISTS (SELECT 1 FROM epoch AS e WHERE e.sequence > b.sequence)`,
} as const;

export type BackupMark = { readonly sequence: number; readonly madeAt: number };
