-- Each cluster that counts on a day: its machines by what they are, and the unit it belongs to.
-- Internal clusters have a table of their own (`internal_days`).
WITH counted AS (
  SELECT
    active_days.*,
    CASE
      WHEN signal = 'mcd' THEN proxy_none + proxy_unsupported
      ELSE nodes_clean + nodes_extensions + nodes_overrides + nodes_packages
    END AS classified,
    CASE WHEN signal = 'mcd' THEN proxy_unknown ELSE nodes_unknown END AS unread,
    CASE WHEN signal = 'mcd' THEN proxy_unsupported ELSE nodes_packages END AS with_packages
  FROM active_days
)

SELECT
  counted.*,
  CASE
    WHEN nodes_expected > classified + unread THEN nodes_expected - classified - unread
    ELSE 0
  END AS unseen,
  account,
  COALESCE(account, counted.cluster_id) AS unit,
  account_class
FROM counted
LEFT JOIN accounts ON counted.cluster_id = accounts.cluster_id
WHERE COALESCE(is_internal, FALSE) = :is_internal
