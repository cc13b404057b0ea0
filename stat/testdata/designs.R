# Makes designs.json, against which the estimators for factors, two runs,
# histories and capacity are held:
#   Rscript designs.R > designs.json
# R 4.2.2, base packages only. Each is written out from its definition.
one <- function(x) { s <- sprintf("%.15g", x); ifelse(as.numeric(s) == x, s, sprintf("%.17g", x)) }
num <- function(x) paste0("[", if (length(x)) paste(one(x), collapse = ","), "]")
obj <- function(...) {
  f <- list(...)
  paste0("{", paste(sprintf("\"%s\":%s", names(f), unlist(f)), collapse = ","), "}")
}
arr <- function(x) paste0("[\n  ", paste(x, collapse = ",\n  "), "]")
str <- function(x) sprintf("\"%s\"", x)
set.seed(20250711)

# Harrell and Davis: the beta distribution's mass over each (i-1)/n to i/n, by
# pbeta, and by numerical integration of its density, which must agree.
quantiles <- c()
samples <- list(sleep = sleep$extra, five = c(1, 2, 4, 8, 16), one = 3, normal100 = round(rnorm(100, 250, 20), 2), latency400 = round(100 * exp(0.3 * rt(400, 5)), 2))
for (name in names(samples)) for (q in c(0.01, 0.25, 0.5, 0.9, 0.99)) {
  s <- sort(samples[[name]]); n <- length(s); a <- (n + 1) * q; b <- (n + 1) * (1 - q)
  w <- diff(pbeta((0:n) / n, a, b))
  if (n <= 100 && min(a, b) >= 1) {
    v <- sapply(seq_len(n), function(i) integrate(dbeta, (i - 1) / n, i / n, a, b, rel.tol = 1e-8)$value)
    stopifnot(max(abs(v - w)) < 1e-8)
  }
  quantiles <- c(quantiles, obj(name = str(name), sorted = num(s), q = one(q), want = one(sum(w * s))))
}

# Lines; the bend is the range of the quadratic term of orthogonal polynomials.
lines <- c()
for (x in list(c(1, 2, 4, 8), c(100, 200, 300), c(0, 0, 5, 9, 9, 20), 1e6 + c(1, 2, 3, 5, 8))) {
  y <- sapply(1:3, function(b) 50 + 0.3 * x + 0.02 * (x - x[1])^2 + rnorm(length(x)))
  slope <- intercept <- bend <- c()
  for (b in 1:3) {
    f <- coef(lm(y[, b] ~ I(x - x[1])))
    slope <- c(slope, f[2]); intercept <- c(intercept, f[1] - f[2] * x[1])
    p <- poly(x, 2)[, 2]
    bend <- c(bend, coef(lm(y[, b] ~ poly(x, 2)))[3] * diff(range(p)) * sign(cor(p, (x - mean(x))^2)))
  }
  lines <- c(lines, obj(x = num(x), values = paste0("[", paste(apply(y, 1, num), collapse = ","), "]"),
    slope = num(slope), intercept = num(intercept), bend = num(bend)))
}

welch <- c()
pairs <- list(list("sleep", sleep$extra[sleep$group == 1], sleep$extra[sleep$group == 2]),
  list("unequal", rnorm(10, 100, 1), rnorm(40, 103, 5)), list("mtcars", mtcars$mpg[mtcars$am == 0], mtcars$mpg[mtcars$am == 1]))
for (p in pairs) for (level in c(0.95, 0.99)) for (m in c(1, 3)) {
  t <- t.test(p[[3]], p[[2]], conf.level = 1 - (1 - level) / m)
  low <- high <- 0
  if (min(p[[2]], p[[3]]) > 0) {
    r <- exp(t.test(log(p[[3]]), log(p[[2]]), conf.level = 1 - (1 - level) / m)$conf.int)
    low <- r[1]; high <- r[2]
  }
  welch <- c(welch, obj(name = str(p[[1]]), a = num(p[[2]]), b = num(p[[3]]), level = one(level), comparisons = one(m),
    low = one(t$conf.int[1]), high = one(t$conf.int[2]), ratioLow = one(low), ratioHigh = one(high)))
}

drift <- c()
for (v in list(as.numeric(LakeHuron)[1:40], sleep$extra, rnorm(12, 250, 2) + 0.3 * 1:12)) for (level in c(0.95, 0.99)) {
  f <- lm(v ~ seq_along(v))
  i <- confint(f, level = level)[2, ]
  drift <- c(drift, obj(values = num(v), level = one(level), estimate = one(coef(f)[2]), low = one(i[1]), high = one(i[2])))
}

# E-divisive: every split and end, distances summed anew each time.
energy <- function(x, y) {
  m <- length(x); n <- length(y)
  m * n / (m + n) * (2 * mean(abs(outer(x, y, "-"))) - sum(dist(x)) / choose(m, 2) - sum(dist(y)) / choose(n, 2))
}
divisive <- function(z) {
  best <- c(0, 0, 0); n <- length(z)
  if (n < 6) return(best)
  for (s in 3:(n - 3)) for (u in (s + 3):n) {
    q <- energy(z[1:s], z[(s + 1):u])
    if (q > best[1] + 1e-9) best <- c(q, s, u)
  }
  best
}
changes <- function(z, level) {
  p <- (1 - level) / (length(z) - 5)
  test <- function(a, s, u) t.test(z[a:(s - 1)], z[s:u], var.equal = TRUE)$p.value
  found <- c()
  divide <- function(a, e) {
    d <- divisive(z[a:e]); s <- a + d[2]; u <- a + d[3] - 1
    if (d[2] == 0 || test(a, s, u) > p) return()
    divide(a, s - 1); found <<- c(found, s); divide(s, e)
  }
  divide(1, length(z))
  repeat {
    if (length(found) == 0) break
    ends <- c(1, found, length(z) + 1)
    ps <- sapply(seq_along(found), function(i) test(ends[i], found[i], ends[i + 2] - 1))
    if (max(ps) <= p) break
    found <- found[-which.max(ps)]
  }
  found - 1
}
histories <- c()
steps <- round(c(rnorm(15, 100), rnorm(12, 106), rnorm(18, 101)), 3)
for (h in list(list("nile", as.numeric(Nile)), list("steps", steps), list("none", round(rnorm(30), 3)), list("bump", c(5, 6, 5, 6, 5, 6, 20, 21, 22, 5, 6, 5, 6, 5)))) {
  histories <- c(histories, obj(name = str(h[[1]]), series = num(h[[2]]), level = "0.95", at = num(changes(h[[2]], 0.95))))
}

# Small and heavy-tailed steps, where one place is hardly better than the next.
for (i in 1:30) {
  h <- round(c(rnorm(8), 2 + rnorm(9), 6 + rt(10, 3)), 2)
  histories <- c(histories, obj(name = str(paste("stairs", i)), series = num(h), level = "0.9", at = num(changes(h, 0.9))))
}

mser <- c()
for (v in list(c(20 * exp(-(0:199) / 30), rep(0, 100)) + rnorm(300), rnorm(203), c(rnorm(100), rnorm(60) + 1:60))) {
  v <- round(v, 4); n <- length(v) %/% 5
  z <- colMeans(matrix(v[1:(5 * n)], nrow = 5))
  s <- sapply(0:(n - 5), function(d) { w <- z[(d + 1):n]; sum((w - mean(w))^2) / length(w)^2 })
  at <- which.min(s) - 1
  mser <- c(mser, obj(series = num(v), at = one(5 * at), settled = if (at <= n %/% 2) "true" else "false"))
}

# Knees: Spearman and Karber block by block; Firth's logistic curve through all
# by a general optimiser of the penalised likelihood.
firth <- function(x, fails, n) {
  cx <- x - mean(x)
  f <- function(p) {
    eta <- p[1] + p[2] * cx; pr <- plogis(eta); w <- n * pr * (1 - pr)
    -(sum(fails * plogis(eta, log.p = TRUE) + (n - fails) * plogis(-eta, log.p = TRUE)) + 0.5 * log(sum(w) * sum(w * cx^2) - sum(w * cx)^2))
  }
  p <- c(0, 1 / sd(x))
  for (i in 1:20) p <- optim(p, f, method = "Nelder-Mead", control = list(reltol = 1e-16, maxit = 5000))$par
  c(mean(x) - p[1] / p[2], 2 * log(3) / p[2])
}
knees <- c()
for (k in list(list(sd = 0.03, noise = 0.02, rates = c(800, 900, 1000, 1100, 1200)), list(sd = 0.1, noise = 0.1, rates = c(700, 900, 1000, 1300)), list(sd = 0, noise = 1e-9, rates = c(600, 900, 1200)))) {
  pass <- t(sapply(1:8, function(b) { at <- 1000 * exp(k$sd * rnorm(1)); k$rates < at * exp(k$noise * rnorm(length(k$rates))) }))
  x <- log(k$rates); n <- length(x); step <- (x[n] - x[1]) / (n - 1)
  sk <- apply(!pass, 1, function(fail) { p <- c(0, fail, 1); g <- c(x[1] - step, x, x[n] + step); sum(diff(p) * (head(g, -1) + tail(g, -1)) / 2) })
  l <- exp(firth(x, colSums(!pass), rep(nrow(pass), n)))
  knees <- c(knees, obj(rates = num(k$rates), pass = paste0("[", paste(apply(pass * 1, 1, num), collapse = ","), "]"),
    blocks = num(exp(sk)), logistic = one(l[1]), width = one(l[2])))
}

cat(obj(harrellDavis = arr(quantiles), line = arr(lines), welch = arr(welch), drift = arr(drift),
  history = arr(histories), mser = arr(mser), knee = arr(knees)), "\n", sep = "")
