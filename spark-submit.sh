#!/usr/bin/env bash
# Runs a bert_spark job, or the tests, on a machine that has Python 3.11 or later and nothing else.
# Owns the set-up: Java, the Python environment, the package as a zip for executors, and an archive of Spark's classes for
# a faster start. Spark's own spark-submit does the rest.
#
# Environment variables:
#   JAVA_HOME                    is tried before PATH and the usual folders
#   SPARK_HOME                   a Spark of your own: its bin/spark-submit is run instead of the environment's
#   PYSPARK_PYTHON, PYSPARK_DRIVER_PYTHON   are not changed if set; otherwise the environment's Python is used
#   PIP_*                        pip's own settings: a mirror, a proxy, an index with smaller builds of torch
#   BERT_SPARK_VENV              folder of the environment that is made here; by default .venv of the checkout
#   BERT_SPARK_INSTALL_JAVA=1    lets root install a missing Java with apt-get; so does CI=true
#   BERT_SPARK_JAVA_FOLDERS      folders to search for Java instead of the usual ones, separated by colons
# Exit codes: the job's own; 2 for a wrong command line; 3 if the machine lacks what is needed.
set -euo pipefail
unset CDPATH # with it, `cd` prints and may change to another folder

JOB_EXTRAS=spark,minilm,report
TEST_EXTRAS=$JOB_EXTRAS,test
# A local run of a minute spends half of its CPU on compiling: Java's second compiler waits here until code has run ten
# times as often as by default. The collector of one thread suits the heap of a local driver. All tasks share this heap, and
# with Spark's default, 1 GB, vectors that are shuffled take a sixth longer.
LOCAL_HEAP=2g
LOCAL_JAVA='-XX:+UseSerialGC -XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000'
LOCAL_JAVA="$LOCAL_JAVA -XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
JAVA_FOLDERS=/usr/lib/jvm:/opt/java:/opt:/usr/java:${HOME:-}/.sdkman/candidates/java
JAVA_FOLDERS=$JAVA_FOLDERS:/opt/homebrew/opt:/usr/local/opt:/Library/Java/JavaVirtualMachines

say() { printf 'spark-submit.sh: %s\n' "$*" >&2; }

fail() { # exit code, message
  say "$2"
  exit "$1"
}

usage() {
  cat <<'TEXT'
usage: ./spark-submit.sh [spark-submit options] jobs/X.py [job options]
       ./spark-submit.sh tests [pytest options]
       ./spark-submit.sh --package-env [FILE]        pack Python and its packages for executors without them
       ./spark-submit.sh exec COMMAND [arguments]    run a command, such as ruff, in the tests' environment
The first start installs what is missing. `./spark-submit.sh jobs/embed.py --help` lists a job's options.
TEXT
}

checkout() { # print the folder of this file, with links resolved; macOS has no `readlink -f`
  local path=${BASH_SOURCE[0]} link
  while [ -L "$path" ]; do
    link=$(readlink "$path")
    case $link in /*) path=$link ;; *) path=$(dirname "$path")/$link ;; esac
  done
  cd "$(dirname "$path")" && pwd -P
}

# ---- Java

java_candidates() { # print programs, one a line, preferred ones first
  [ -z "${JAVA_HOME:-}" ] || printf '%s\n' "$JAVA_HOME/bin/java"
  command -v java || true
  local IFS=: folder
  for folder in ${BERT_SPARK_JAVA_FOLDERS:-$JAVA_FOLDERS}; do
    ls -d "$folder"/*/bin/java "$folder"/*/Contents/Home/bin/java 2>/dev/null || true
  done
}

java_home_of() { # program -> its JAVA_HOME, if it runs and is Java 17 or later
  local facts version
  facts=$("$1" -XshowSettings:properties -version 2>&1) || return 1
  version=$(sed -n 's/^ *java\.specification\.version = //p' <<<"$facts")
  [ "${version%%.*}" -ge 17 ] 2>/dev/null || return 1 # Java 8 reports 1.8
  sed -n 's/^ *java\.home = //p' <<<"$facts"
}

find_java() {
  local candidate home
  while IFS= read -r candidate; do
    home=$(java_home_of "$candidate") || continue
    export JAVA_HOME=$home
    return
  done < <(java_candidates)
  return 1
}

install_java() { # Debian 13 has Java 21 instead of 17
  say "no Java 17 or later found; installing the headless JRE with apt-get"
  {
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends openjdk-17-jre-headless ||
      DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends openjdk-21-jre-headless
  } </dev/null >&2
}

may_install_java() {
  case ${BERT_SPARK_INSTALL_JAVA:-${CI:-}} in 1 | true) ;; *) return 1 ;; esac
}

ensure_java() {
  find_java && return
  local offer=''
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    if may_install_java; then
      install_java && find_java && return
    else
      offer='
Or start again with BERT_SPARK_INSTALL_JAVA=1, which lets this program run apt-get.'
    fi
  fi
  fail 3 "no Java 17 or later in JAVA_HOME, PATH or the usual folders; install one, then start again:
  apt   sudo apt-get install -y openjdk-17-jre-headless    (from Debian 13 on: openjdk-21-jre-headless)
  dnf   sudo dnf install -y java-21-openjdk-headless
  brew  brew install openjdk@17$offer"
}

# ---- Python: the active environment if it meets pyproject.toml, otherwise .venv

base_python() { # print a Python that can make .venv
  local name
  for name in python3.11 python3.12 python3.13 python3; do
    "$name" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    printf '%s\n' "$name"
    return
  done
  fail 3 "no Python 3.11 or later with the module venv; install one, then start again:
  apt   sudo apt-get install -y python3 python3-venv
  dnf   sudo dnf install -y python3.11
  brew  brew install python@3.11"
}

install_mark() { # extras -> the content of .venv/.bert_spark once they are installed
  printf '%s %s\n' "$(cat "$ROOT/pyproject.toml" "$ROOT/conf/constraints.txt" | cksum)" "$1"
}

venv_ready() { # extras; an environment for the tests also serves the jobs
  local mark
  mark=$(cat "$VENV/.bert_spark" 2>/dev/null) && [ -x "$VENV/bin/python" ] &&
    [[ $mark == "$(install_mark "$1")" || $mark == "$(install_mark "$TEST_EXTRAS")" ]]
}

venv_is_foreign() { # tell whether somebody else made .venv: it is used as it is, or not at all
  [ -e "$VENV" ] && [ ! -e "$VENV/.bert_spark" ] && [ -n "$(ls -A "$VENV")" ]
}

install_venv() { # base Python, extras
  local quiet=--quiet
  [ ! -t 2 ] || quiet=--progress-bar=on
  # Start over after an interrupted install, which can look complete to pip, and if the Python behind .venv is gone.
  if [ -e "$VENV/.bert_spark" ] &&
    { grep -qs unfinished "$VENV/.bert_spark" || ! "$VENV/bin/python" -c '' 2>/dev/null; }; then
    say "removing $VENV, which an earlier start has made and which does not work"
    rm -rf "$VENV"
  fi
  mkdir -p "$VENV"
  echo unfinished >"$VENV/.bert_spark"
  [ -x "$VENV/bin/python" ] || "$1" -m venv "$VENV" >&2 || return
  say "installing the versions of conf/constraints.txt into $VENV; this takes minutes"
  (cd "$ROOT" && "$VENV/bin/python" -m pip install "$quiet" --no-input --disable-pip-version-check \
    -c conf/constraints.txt -e ".[$2]" </dev/null >&2) || return
  install_mark "$2" >"$VENV/.bert_spark"
}

ensure_venv() { # extras, why .venv is needed; of several concurrent starts one installs and the others wait
  venv_ready "$1" && return
  say "the active Python cannot be used: $2"
  local base
  base=$(base_python) || exit
  mkdir -p "$ROOT/temp" || fail 3 "cannot write to $ROOT; activate an environment that meets pyproject.toml"
  (
    "$base" "$ROOT/conf/launch.py" lock 9
    venv_ready "$1" || install_venv "$base" "$1"
  ) 9>"$ROOT/temp/venv.lock" || fail 3 "installing into $VENV failed, see above; the next start installs it again"
}

choose_python() { # extras -> sets PYTHON and the variables that pyspark reads
  local answer
  if answer=$(python3 "$ROOT/conf/launch.py" meets "$1" 2>&1); then
    PYTHON=${answer##*$'\n'}
  elif venv_is_foreign; then
    answer=$("$VENV/bin/python" "$ROOT/conf/launch.py" meets "$1" 2>&1) ||
      fail 3 "$VENV cannot be used (${answer##*$'\n'}), and it is left as it is, since this program has not made it.
Install what it lacks, move it away, or set BERT_SPARK_VENV to another folder, in which an environment is made."
    PYTHON=$VENV/bin/python
  else
    ensure_venv "$1" "${answer##*$'\n'}"
    PYTHON=$VENV/bin/python
  fi
  export PYSPARK_PYTHON=${PYSPARK_PYTHON:-$PYTHON} PYSPARK_DRIVER_PYTHON=${PYSPARK_DRIVER_PYTHON:-$PYTHON}
  export PYTHONPATH=$ROOT${PYTHONPATH:+:$PYTHONPATH}
}

use_class_archive() { # let Java map Spark's classes from an archive; made only in the environment made here
  # Java 17 can crash if an agent or a recording reads classes of an archive.
  case "${SPARK_OPTIONS[*]-} ${SPARK_SUBMIT_OPTS:-} ${JDK_JAVA_OPTIONS:-} ${JAVA_TOOL_OPTIONS:-} ${_JAVA_OPTIONS:-}" in
    *-agentlib* | *-agentpath* | *-javaagent* | *FlightRecord*) return 0 ;;
  esac
  local archive mode='find'
  [ "$PYTHON" != "$VENV/bin/python" ] || venv_is_foreign || mode='make'
  archive=$("$PYTHON" "$ROOT/conf/class_archive.py" "$mode") && [ -n "$archive" ] || return 0
  export SPARK_SUBMIT_OPTS="-XX:SharedArchiveFile=$archive -Xlog:cds*=off ${SPARK_SUBMIT_OPTS:-}"
}

runs_here() { # tell whether the job runs on this machine, with the environment's own Spark and no settings of a site
  [ -z "${SPARK_HOME:-}${SPARK_CONF_DIR:-}${SPARK_REMOTE:-}${MASTER:-}" ] || return 1
  local options=" ${SPARK_OPTIONS[*]-} "
  case $options in *--properties-file* | *--deploy-mode* | *--remote* | *spark.master=* | *spark.remote=*) return 1 ;; esac
  case $options in
    *" --master local "* | *" --master local["* | *" --master=local "* | *" --master=local["*) ;;
    *--master*) return 1 ;;
  esac
}

sets_java_options() { # tell whether the user tunes Java: it refuses options that contradict each other
  [ -z "${SPARK_SUBMIT_OPTS:-}${JDK_JAVA_OPTIONS:-}${JAVA_TOOL_OPTIONS:-}${_JAVA_OPTIONS:-}" ] || return 0
  case "${SPARK_OPTIONS[*]-}" in *-java-options* | *JavaOptions* | *driver-memory* | *driver.memory*) return 0 ;; esac
  return 1
}

use_unix_socket() { # let Java and Python talk over one, from Spark 4.1 on: over TCP each Python task waits 40 ms for packets
  runs_here || return 0
  case "${SPARK_OPTIONS[*]-} ${SPARK_SUBMIT_OPTS:-} ${JDK_JAVA_OPTIONS:-} ${JAVA_TOOL_OPTIONS:-} ${_JAVA_OPTIONS:-}" in
    *java.io.tmpdir*) return 0 ;; # the socket is in this folder, and its path may be too long
  esac
  export PYSPARK_UDS_MODE=${PYSPARK_UDS_MODE:-true}
}

# ---- the three commands

parse_job() { # command line -> sets SPARK_OPTIONS, PY_FILES, JOB and JOB_OPTIONS
  SPARK_OPTIONS=() PY_FILES='' JOB='' JOB_OPTIONS=()
  while [ $# -gt 0 ]; do
    case $1 in
      --supervise | --verbose | -v) SPARK_OPTIONS+=("$1") ;;
      --py-files=*) PY_FILES=${1#*=} ;;
      --*=*) SPARK_OPTIONS+=("$1") ;;
      -*)
        [ $# -ge 2 ] || fail 2 "option $1 needs a value"
        if [ "$1" = --py-files ]; then PY_FILES=$2; else SPARK_OPTIONS+=("$1" "$2"); fi
        shift
        ;;
      *.py) JOB=$1 && shift && JOB_OPTIONS=("$@") && return ;;
      *) fail 2 "got '$1' where an option or a job ending in .py was expected; see ./spark-submit.sh --help" ;;
    esac
    shift
  done
  fail 2 "no job ending in .py on the command line; see ./spark-submit.sh --help"
}

find_job() { # look for JOB in the current folder, then in the checkout; Spark itself resolves a URI
  case $JOB in *://*) return ;; esac
  [ ! -f "$JOB" ] || return 0
  [ -f "$ROOT/$JOB" ] || fail 2 "job '$JOB' found neither in $PWD nor in $ROOT"
  JOB=$ROOT/$JOB
}

check_settings() { # stop here if the settings of our own job are wrong or its help is asked for: Java is not needed
  [ "$JOB" -ef "$ROOT/jobs/${JOB##*/}" ] || return 0
  # In cluster mode the job runs elsewhere, and so the file of its --config may be elsewhere.
  case "${SPARK_OPTIONS[*]-}" in *cluster* | *--properties-file*) return 0 ;; esac
  local python=$VENV/bin/python log status=0
  [ -x "$python" ] || python=python3
  {
    log=$(PYTHONPATH=$ROOT "$python" -m bert_spark.cli "$JOB" ${JOB_OPTIONS[@]+"${JOB_OPTIONS[@]}"} 2>&1 >&3) ||
      status=$?
  } 3>&1
  case $status in
    2) printf '%s\n' "$log" >&2 && exit 2 ;;
    10) exit 0 ;;                              # the help was printed
    11) printf '%s\n' "$log" >&2 && exit 1 ;; # as the job itself would
  esac # otherwise the settings are right, or this Python is too old to check them
}

run_job() {
  parse_job "$@"
  find_job
  check_settings
  ensure_java
  choose_python "$JOB_EXTRAS"
  local zip
  zip=$("$PYTHON" "$ROOT/conf/launch.py" zip) || fail 3 "cannot make the zip of the package, see above"
  if runs_here && ! sets_java_options; then
    SPARK_SUBMIT_OPTS=$LOCAL_JAVA
    export SPARK_DRIVER_MEMORY=${SPARK_DRIVER_MEMORY:-$LOCAL_HEAP}
  fi
  use_unix_socket
  # Spark's own default, local[*], gives a job up if one Python worker dies. Try its task again, as clusters do.
  case " ${SPARK_OPTIONS[*]-} " in *" --master"*) ;; *) ! runs_here || SPARK_OPTIONS+=(--master 'local[*,4]') ;; esac
  if [ -z "${SPARK_HOME:-}" ]; then
    SPARK_HOME=$("$PYTHON" "$ROOT/conf/launch.py" spark-home)
    use_class_archive
  fi
  export SPARK_HOME
  # Java splits these options at spaces, hence %20. The user's own options come last and override this one.
  local log4j="file://$ROOT/conf/log4j2.properties"
  export SPARK_SUBMIT_OPTS="-Dlog4j2.configurationFile=${log4j// /%20} ${SPARK_SUBMIT_OPTS:-}"
  # bash before 4.4 takes an empty array for unset, hence the +.
  exec "$SPARK_HOME/bin/spark-submit" ${SPARK_OPTIONS[@]+"${SPARK_OPTIONS[@]}"} \
    --py-files "$zip${PY_FILES:+,$PY_FILES}" "$JOB" ${JOB_OPTIONS[@]+"${JOB_OPTIONS[@]}"}
}

run_tests() {
  ensure_java
  choose_python "$TEST_EXTRAS"
  use_class_archive
  cd "$ROOT"
  exec "$PYTHON" -m pytest "$@"
}

package_env() { # [file.tar.gz]
  choose_python "$JOB_EXTRAS"
  say "packing $PYTHON and its packages; this takes minutes"
  exec "$PYTHON" "$ROOT/conf/package_env.py" "${1:-$ROOT/temp/bert_spark-env.tar.gz}"
}

run_command() {
  [ $# -gt 0 ] || fail 2 "exec needs a command, such as ./spark-submit.sh exec ruff check ."
  choose_python "$TEST_EXTRAS"
  PATH=$(dirname "$PYTHON"):$PATH exec "$@"
}

main() {
  ROOT=$(checkout)
  VENV=${BERT_SPARK_VENV:-$ROOT/.venv}
  case ${1:-} in
    '') usage >&2 && exit 2 ;;
    -h | --help) usage ;;
    tests) shift && run_tests "$@" ;;
    --package-env) shift && package_env "$@" ;;
    exec) shift && run_command "$@" ;;
    *) run_job "$@" ;;
  esac
}

main "$@"
