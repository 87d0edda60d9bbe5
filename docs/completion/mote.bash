# SPDX-License-Identifier: Apache-2.0
# Completion of mote's commands, options and files for bash; needs no other package.

# Offers the files that begin with $1, or with -d the directories.
_mote_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen "${2:--f}" -- "$1")
}

# Offers those of the words in $2 that begin with $1.
_mote_words() {
	mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1")
}

# Offers the names of running microVMs, and the words in $2, that begin with $1.
_mote_names() {
	_mote_words "$1" "$(mote ps 2>/dev/null | sed '1d; s/ .*//') ${2-}"
}

# Offers values of the option $1 that begin with $2; fails if the option takes none.
_mote_run_value() {
	case $1 in
	--root | --disk | --snapshot | --trace | --json | --svg | --log | --from | --core | --dump-dtb | --kit | -o | --output) _mote_files "$2" ;;
	--cwd) _mote_files "$2" -d ;;
	--console) _mote_words "$2" 'hypercall virtio' ;;
	--cpu) _mote_words "$2" 'host baseline' ;;
	--cpus) _mote_words "$2" '1' ;;
	--mem) _mote_words "$2" '16M 64M 128M 256M 1G' ;;
	--env)
		compopt -o nospace 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -A export -- "$2")
		;;
	--snapshot-at) _mote_words "$2" 'main listen point' ;;
	--snapshot-clock) _mote_words "$2" 'freeze advance' ;;
	--timeout | --entry | --count | -n | --name | --label) ;;
	*) return 1 ;;
	esac
}

# Completes the words of `mote run` and `mote build`, with the options in $1 and then a program. Bash
# splits at `=`, so --mem=64M is three words here.
_mote_program() {
	local options=$1 current=${COMP_WORDS[COMP_CWORD]} i=2 word

	while ((i < COMP_CWORD)); do
		word=${COMP_WORDS[i]}
		case $word in
		--) ((i++)) && break ;;
		--root | --trace | --json | --svg | --log | --from | --name | --label | --snapshot | --snapshot-at | -n | --count | --core | --dump-dtb | --kit | --cwd | --cpu | --cpus | --mem | --env | --timeout | --stats | --strace | \
			-o | --output | --entry)
			if [[ ${COMP_WORDS[i + 1]} == = ]]; then
				if ((i + 1 == COMP_CWORD)); then
					current='' i=$COMP_CWORD
				elif ((i + 2 == COMP_CWORD)); then
					i=$COMP_CWORD
				else
					# NAME=VALUE of --env is split as well.
					((i += 3))
					[[ ${COMP_WORDS[i]} == = ]] && ((i += 2))
					continue
				fi
				case $word in
				--stats) _mote_words "$current" json ;;
				--strace) _mote_words "$current" summary ;;
				*) _mote_run_value "$word" "$current" ;;
				esac
				return
			fi
			if [[ $word != --stats && $word != --strace && $word != --verify-reset ]]; then
				if ((i + 1 == COMP_CWORD)); then
					_mote_run_value "$word" "$current"
					return
				fi
				((i += 2))
				[[ ${COMP_WORDS[i]} == = ]] && ((i += 2))
				continue
			fi
			;;
		-*) ;;
		*) break ;;
		esac
		((i++))
	done
	if ((i >= COMP_CWORD)) && [[ $current == -* && ${COMP_WORDS[COMP_CWORD - 1]} != -- ]]; then
		_mote_words "$current" "$options"
	else
		_mote_files "$current"
	fi
}

# Completes the words of `mote bench startup`; bash splits at `=`.
_mote_bench() {
	local previous=${COMP_WORDS[COMP_CWORD - 1]}

	[[ $previous != = ]] || previous=${COMP_WORDS[COMP_CWORD - 2]}
	if ((COMP_CWORD == 2)); then
		_mote_words "$1" 'startup --help'
	elif [[ $previous == --@(compare|save|plot|from|mote) ]]; then
		_mote_files "${1#=}"
	elif [[ $1 == -* ]]; then
		_mote_words "$1" '-n --runs --against --compare --json --junit --tap --save --plot --from --mote --help'
	elif [[ $previous != -n && $previous != --runs && $previous != --against ]]; then
		_mote_files "$1"
	fi
}

_mote() {
	local current=${COMP_WORDS[COMP_CWORD]}
	local commands='run restore snapshot build inspect diff new serve ps pause resume balloon logs stop kill bench trace doctor version help'

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		_mote_words "$current" "$commands --help --version"
		return
	fi
	case ${COMP_WORDS[1]} in
	run)
		_mote_program '--mem --root --env --cwd --stats --stats=json --strace --strace=summary --trace
			--trace-no-pages --timeout --core --dump-dtb --cpu --cpus --console --disk --share --vsock --net --hostname --entropy --balloon --name --label --snapshot --snapshot-at --snapshot-clock --snapshot-continue --key-file --force --allow-wx --verify --kit --help'
		;;
	restore)
		_mote_program '--root --env --stats --stats=json --timeout --trace --trace-no-pages --core --console --disk --share --vsock --net
			--hostname --entropy --balloon --name --label --key-file --verify --verify-reset --symbols --serve-on --count -n --help'
		;;
	build) _mote_program '--mem --root --entry --env --cwd --share --disk --net --vsock --output -o --help' ;;
	inspect)
		if [[ $current == -* ]]; then
			_mote_words "$current" '--json --pages --help'
		else
			_mote_files "$current"
		fi
		;;
	diff) _mote_files "$current" ;;
	snapshot)
		case ${COMP_WORDS[COMP_CWORD - 1]} in
		-o | --output | --base | train | pack | unpack) _mote_files "$current" ;;
		snapshot) _mote_names "$current" 'train pack unpack --help' ;;
		*) _mote_words "$current" '-o --output --base --force --continue --stop --help' ;;
		esac
		;;
	new) _mote_words "$current" '--lang --help' ;;
	serve)
		_mote_program '--listen --route --pool --timeout --send-timeout --idle-timeout --max-memory --max-body --max-answer
			--max-connections --concurrency --key-file --config --threads --log --help'
		;;
	ps) _mote_words "$current" '--json --help' ;;
	logs) _mote_names "$current" '-f -n --help' ;;
	pause | resume | balloon | stop | kill) ((COMP_CWORD == 2)) && _mote_names "$current" ;;
	trace)
		_mote_program '--json --svg --output --log --from --no-pages --restore --mem --root --env --cwd --stats=json --timeout --share --disk
			--net --help'
		;;
	bench) _mote_bench "$current" ;;
	help) ((COMP_CWORD == 2)) && _mote_words "$current" "$commands" ;;
	doctor | version) _mote_words "$current" --help ;;
	esac
}

complete -F _mote mote
