# region query
import duckdb

duckdb.sql("SET TimeZone = 'UTC'")
print(
    duckdb.sql(
        """
        SELECT agent, audience, count(*) AS credentials,
               count(revoked_at) AS revoked, max(coalesce(revoked_at, expires_at)) AS last_ended
          FROM (SELECT *, unnest(audiences) AS audience FROM 'issuances/*.parquet')
         WHERE step_id IS NOT NULL
         GROUP BY ALL ORDER BY credentials DESC, agent, audience
        """
    )
)
print(
    duckdb.sql(
        """
        SELECT i.jti, i.run_id, d.effect, d.requested->'$[0].identifier' AS tool
          FROM 'issuances/*.parquet' AS i JOIN 'decisions/*.parquet' AS d USING (decision_id)
         ORDER BY i.sequence
        """
    )
)
# endregion
