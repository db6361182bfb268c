-- The clusters that were ever heard of, internal ones left out.
SELECT heard_clusters.*
FROM heard_clusters
WHERE NOT EXISTS (
    SELECT 1
    FROM accounts
    WHERE accounts.cluster_id = heard_clusters.cluster_id
      AND is_internal
  )
