-- Which days each signal has, and how many clusters spoke on them.
SELECT
  signal,
  day,
  COUNT(*) AS clusters
FROM cluster_days
GROUP BY signal, day
ORDER BY signal, day
