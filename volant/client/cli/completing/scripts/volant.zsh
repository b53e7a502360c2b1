#compdef volant
# Completion of the volant command for zsh; `volant completion zsh` prints this.

_volant() {
    local program=${~words[1]} line help
    local -a answer whole whole_shown more more_shown
    (( $+commands[$program] )) || [[ -x $program ]] || program=volant
    answer=("${(@f)$("$program" __complete words "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    for line in "${(@)answer[2,-1]}"; do
        help=${line#*$'\t'}
        line=${line%%$'\t'*}
        if [[ $line[1] == '=' ]]; then
            whole+=("${line#'='}")
            whole_shown+=("${line#'='}${help:+  -- $help}")
        else
            more+=("${line#+}")
            more_shown+=("${line#+}${help:+  -- $help}")
        fi
    done
    (( $#whole )) && compadd -l -d whole_shown -a whole
    (( $#more )) && compadd -l -S '' -d more_shown -a more
    if [[ $answer[1] == paths* ]]; then
        compset -P "${(b)answer[1]#paths }"
        _files
    fi
}

if [[ $funcstack[1] == _volant ]]; then
    _volant "$@"
else
    compdef _volant volant
fi
